# The study with the environment of its lock:
# docker build -t foramen . && mkdir -p out
# docker run --rm -v "$PWD/out:/out" foramen run params/default.yaml
FROM python:3.11-slim-bookworm

WORKDIR /study
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
COPY . ./
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .

ENV FORAMEN_OUTPUT=/out
ENTRYPOINT ["foramen"]
CMD ["--help"]

"""Equations of notebooks as MathML, which browsers draw without a script and without a network. Used by `pages`."""

from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath


class Renderer(IPythonRenderer):
    """Markdown to HTML as nbconvert does it, but for what stands between dollar signs."""

    def block_math(self, body: str) -> str:
        """An equation of its own line."""
        return f'<div class="equation">{convert(body, display="block")}</div>'

    def inline_math(self, body: str) -> str:
        """An equation within a sentence."""
        return convert(body)


class Exporter(HTMLExporter):
    """nbconvert's HTML, whose equations wait for no MathJax."""

    @pass_context
    def markdown2html(self, context: object, source: str) -> str:
        """What the templates call for every Markdown cell and output."""
        return MarkdownWithMath(renderer=Renderer(escape=False)).render(source)

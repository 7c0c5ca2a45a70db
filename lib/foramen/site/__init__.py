"""One static folder for any web server: README, docs, reports and what lies beside them (`foramen site`)."""

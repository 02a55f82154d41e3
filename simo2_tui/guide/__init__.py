"""The manual: one Markdown file a page, listed in README.md; read by the repository's visitors and by `simo2 guide`."""

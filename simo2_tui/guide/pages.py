"""The pages of the manual, found in this package and read as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from simo2_core.errors import ConfigError, did_you_mean

INDEX = "README.md"
"""Lists every page, one a line: a repository's web page shows it below the folder."""

_ENTRY = re.compile(r"^- \[(?P<topic>[a-z-]+)\]\((?P=topic)\.md\): (?P<about>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One page of the manual."""

    topic: str
    """What `simo2 guide` calls it: the file's name without `.md`."""
    about: str
    """One line that says what the page holds."""

    @property
    def text(self) -> str:
        """The page as Markdown."""
        return _read(f"{self.topic}.md")


def list_pages() -> tuple[Page, ...]:
    """Every page, in the order in which a newcomer reads them."""
    return tuple(Page(**entry.groupdict()) for entry in _ENTRY.finditer(_read(INDEX)))


def find_page(topic: str) -> Page:
    """The page of a topic.

    Raises:
        ConfigError: there is none.
    """
    pages = list_pages()
    asked = topic.strip().lower().removesuffix(".md")
    for page in pages:
        if page.topic == asked:
            return page
    raise ConfigError(f"the guide has no page {topic!r}.{_suggestion(asked, pages)} `simo2 guide` lists the pages.")


def _suggestion(asked: str, pages: Sequence[Page]) -> str:
    """A page whose line in the index has the word, else one with a name nearly right."""
    holding = [page.topic for page in pages if asked in re.findall(r"[a-z0-9-]+", page.about.lower())]
    return f" Did you mean {' or '.join(holding[:3])}?" if holding else did_you_mean(asked, [p.topic for p in pages])


def _read(name: str) -> str:
    return (files("simo2_tui.guide") / name).read_text(encoding="utf-8")

"""A list of options whose chosen row is seen without colours as well."""

from __future__ import annotations

from textual.style import Style
from textual.widgets import OptionList


class Options(OptionList):
    """Textual's list, in rows that are reversed where the stylesheet says so: Textual leaves that word out."""

    def get_visual_style(self, *component_classes: str, partial: bool = False) -> Style:
        style = super().get_visual_style(*component_classes, partial=partial)
        reverse = any(self.get_component_styles(name).text_style.reverse for name in component_classes)
        return style + Style(reverse=True) if reverse else style

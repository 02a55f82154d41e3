"""What is sent to a process that decodes, where it is somebody's own."""

import sys

import numpy as np
import pytest

from simo2_core import parts
from simo2_core.data.pool import Crew
from simo2_core.data.worker import DigestJob, digest
from simo2_core.errors import PartError

MINE = """
from dataclasses import dataclass

import numpy as np

from simo2_core.data.sources.source import SourcePart


@dataclass
class Mine:
    rows: np.ndarray

    def images(self):
        for row in self.rows.tolist():
            if row == 7:
                raise ValueError("no seventh\\nimage")
            yield f"image {row}".encode()


@dataclass(frozen=True, kw_only=True)
class Source(SourcePart):
    pass
"""


def test_images_of_a_source_in_a_file_are_read_by_other_processes_and_what_they_raise_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv(parts.VARIABLE, "")
    (tmp_path / "mine-images.py").write_text(MINE)
    parts.allow(f"{tmp_path}/mine-images.py:Source")
    records = sys.modules[parts.find("source", "mine-images.py:Source").__module__].Mine
    with Crew(DigestJob(), 1) as crew:
        [(first, digests)] = crew.map([(0, records(np.array([3])))])
        assert (first, digests.tobytes()) == (0, digest(b"image 3"))
        said = r"^a part of mine-images\.py raised ValueError: no seventh \(mine-images\.py, line 16; "
        with pytest.raises(PartError, match=said):
            list(crew.map([(0, records(np.array([7])))]))

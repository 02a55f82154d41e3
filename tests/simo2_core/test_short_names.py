import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from simo2_core.short_names import common_beginning, shorten

SPECIES = [f"species_{i:03d}" for i in range(200)]


def test_names_that_fit_stay_as_they_are():
    assert shorten(["cat", "catfish", ""], 7) == ["cat", "catfish", ""]


@pytest.mark.parametrize(
    ("at_most", "first"), [(11, "species_000"), (9, "speci…000"), (7, "spe…000"), (5, "…000"), (4, "…000"), (3, "000")]
)
def test_the_common_beginning_goes_first_and_what_tells_apart_stays(at_most, first):
    short = shorten(SPECIES, at_most)
    assert short[0] == first
    assert len(set(short)) == len(SPECIES)


def test_words_and_numbers_are_not_cut_in_two():
    assert common_beginning(["species_010", "species_011"]) == "species_"
    assert common_beginning(["class10", "class11", "class1"]) == "class"
    assert common_beginning(["cat", "catfish"]) == ""
    assert common_beginning(["a_1", "a_2"]) == "", "two letters are no loss"
    assert common_beginning(["alone"]) == ""


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["airplane", "automobile", "bird"], ["air…", "aut…", "bird"]),
        (["red_fox_a", "red_fox_b", "owl"], ["re…a", "re…b", "owl"]),
        (["left-wing", "right-wing", "left-leg"], ["left…", "righ…", "…-leg"]),
    ],
)
def test_the_end_the_middle_or_the_beginning_goes_by_what_stays_different(names, short):
    width = max(map(len, short))
    assert len(set(shorten(names, width))) == len(names)
    if names[0] != "left-wing":
        assert shorten(names, width) == short


def test_each_name_is_cut_where_it_can_be_read_and_told_apart():
    names = ["golden retriever", "german shepherd", "species_lupus_dingo", "species_lupus_signatus", "poodle"]
    assert shorten(names, 10) == ["golden re…", "german sh…", "speci…ingo", "speci…atus", "poodle"]


@given(st.lists(st.text(max_size=20), max_size=12), st.integers(1, 12))
def test_no_name_is_wider_than_asked_in_characters_or_in_cells(names, at_most):
    assert all(len(name) <= at_most for name in shorten(names, at_most))
    assert all(cell_len(name) <= at_most for name in shorten(names, at_most, width=cell_len))

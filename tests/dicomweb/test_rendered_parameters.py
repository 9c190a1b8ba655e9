"""What callers may ask of rendering: understood as it is written in the wild, else refused."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.rendered_parameters import render_parameters
from pacs.errors import BadInput
from pacs.pixels.parameters import (
    Annotation,
    Function,
    IccProfile,
    Region,
    RenderParameters,
    Viewport,
    Window,
)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({}, RenderParameters()),
        ({"window": ""}, RenderParameters()),
        ({"window": "40,400"}, RenderParameters(window=Window(40, 400))),
        (
            {"window": "-40.5,1e2,linear-exact"},
            RenderParameters(window=Window(-40.5, 100, Function.LINEAR_EXACT)),
        ),
        ({"window": "40, 400, SIGMOID"}, RenderParameters(window=Window(40, 400, Function.SIGMOID))),
        ({"window": "40,0.5,linear_exact"}, RenderParameters(window=Window(40, 0.5, Function.LINEAR_EXACT))),
        ({"viewport": "512,256"}, RenderParameters(viewport=Viewport(512, 256))),
        ({"viewport": "512,256,,,,"}, RenderParameters(viewport=Viewport(512, 256))),
        ({"viewport": "5,6,,,7,8"}, RenderParameters(viewport=Viewport(5, 6, Region(0, 0, 7, 8)))),
        ({"viewport": "5,6,1,2,,"}, RenderParameters(viewport=Viewport(5, 6, Region(1, 2, inf, inf)))),
        ({"viewport": "5,6,1,2,-3,4"}, RenderParameters(viewport=Viewport(5, 6, Region(1, 2, -3, 4)))),
        ({"quality": "1"}, RenderParameters(quality=1)),
        ({"annotation": "patient"}, RenderParameters(annotations=frozenset({Annotation.PATIENT}))),
        ({"annotation": "technique, patient"}, RenderParameters(annotations=frozenset(Annotation))),
        ({"iccprofile": "srgb"}, RenderParameters(icc=IccProfile.SRGB)),
        ({"something": "else"}, RenderParameters()),
    ],
)
def test_understood(asked: dict[str, str], meant: RenderParameters) -> None:
    assert render_parameters(asked) == meant


@pytest.mark.parametrize(
    "asked",
    [
        {"window": "40"},
        {"window": "40,400,cubic"},
        {"window": "40,0"},
        {"window": "40,0.5"},
        {"window": "40,0,sigmoid"},
        {"window": "nan,400"},
        {"window": "40,inf"},
        {"window": "1e999,400"},
        {"window": "٤٠,400"},
        {"window": "40,400,linear,1"},
        {"viewport": "0,0"},
        {"viewport": "-5,5"},
        {"viewport": "5"},
        {"viewport": "100000,100000"},
        {"viewport": "5,5,1"},
        {"viewport": "5,5,0,0,0,5"},
        {"viewport": "5,5,-1,0,5,5"},
        {"quality": "0"},
        {"quality": "101"},
        {"quality": "good"},
        {"annotation": "everything"},
        {"iccprofile": "adobergb"},
    ],
)
def test_refused(asked: dict[str, str]) -> None:
    with pytest.raises(BadInput) as refused:
        render_parameters(asked)
    assert not set(refused.value.args[0]) & set("٤٠")  # what was sent is not sent back


@given(
    st.dictionaries(
        st.sampled_from(["window", "viewport", "quality", "annotation", "iccprofile"]),
        st.one_of(st.text(max_size=30), st.from_regex(r"[0-9.,e+-]{1,20}", fullmatch=True)),
    )
)
def test_nothing_else_ever_happens(asked: dict[str, str]) -> None:
    try:
        found = render_parameters(asked)
    except BadInput:
        return
    assert 1 <= found.quality <= 100

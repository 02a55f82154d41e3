"""Settings as older versions of simo2 wrote them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from simo2_core import parts


def of_today(data: Mapping[str, Any], format: int) -> dict[str, Any]:
    """A `config` of any format so far, in the form of today: settings that it lacks have the values of its time."""
    after = from_format_1(data) if format < 2 else dict(data)
    if isinstance(images := after.get("data"), Mapping):
        then: dict[str, Any] = {} if "class_order" in images else {"class_order": "alphabetical"}
        if "min_size" not in images and not images.get("image_size"):
            then["min_size"] = 1  # no encoder had a say in the size that was chosen
        after["data"] = {**images, **then}
    if isinstance(objective := after.get("objective"), Mapping) and objective.get("part") == "simo2":
        loss: dict[str, Any] = {"pull": 1.0, "epsilon_start": None} if format < 3 else {}
        loss |= {"negatives": "slots"} if format < 4 else {}
        after["objective"] = {**loss, **objective}  # what there was then
        if format < 5:
            after["objective"] = _of_format_4(
                after["objective"], after.get("batch_size"), after.get("samples_per_class")
            )
    return after


def _of_format_4(simo2: Mapping[str, Any], batch_size: object, samples: object) -> dict[str, Any]:
    """The settings of a loss whose `auto` stood for the paper's from as many images of a class as classes on.

    Of batches that had fewer only because the data have fewer classes nothing is known here.
    """
    if not isinstance(batch_size, int) or not isinstance(samples, int) or samples < 1:
        return dict(simo2)  # for the reader to refuse
    changed = batch_size // samples <= samples < 1.5 * (batch_size // samples)
    paper = {"pull": 1.0, "epsilon_start": None}
    return {
        name: paper[name] if changed and name in paper and value == "auto" else value for name, value in simo2.items()
    }


def from_format_1(data: Mapping[str, Any]) -> dict[str, Any]:
    """A `config` of format 1, whose sections were heaps of the settings of all parts, in the form of today.

    What belonged to parts that were not chosen is dropped: nothing read it. What cannot be understood is left as it is,
    for the reader to refuse by name.
    """
    after = dict(data)
    if isinstance(objective := data.get("objective"), Mapping):
        left = dict(objective)
        if "labels" in left:
            after["data"] = {**dict(data.get("data", {})), "labels": left.pop("labels")}
        after["objective"] = _chosen("objective", left, "objective", "simo2")
    if isinstance(model := data.get("model"), Mapping):
        after["model"] = model_from_format_1(model)
    if isinstance(augment := data.get("augment"), Mapping):
        after["augment"] = [{"part": name, name: value} for name, value in augment.items()]
    return after


def model_from_format_1(model: Mapping[str, Any]) -> dict[str, Any]:
    """A section `model` of format 1, or of today, in the form of today."""
    if isinstance(model.get("encoder"), Mapping):
        return dict(model)
    general = {name: model[name] for name in ("embedding_size", "precision") if name in model}
    own = {name: value for name, value in model.items() if name not in general}
    return {**general, "encoder": _chosen("encoder", own, "encoder", "yatcnn")}


def _chosen(kind: str, heap: Mapping[str, Any], selector: str, usual: str) -> dict[str, Any]:
    name = heap.get(selector, usual)
    of_others = {item.name for part in parts.own(kind).values() for item in dataclasses.fields(part)}
    mine = {item.name for item in dataclasses.fields(parts.own(kind)[name])} if name in parts.own(kind) else of_others
    kept = {key: value for key, value in heap.items() if key != selector and (key in mine or key not in of_others)}
    return {"part": name, **kept}

"""Scenes: the ink is where the digits are, and what was asked for is there."""

from itertools import chain

import numpy as np
import pytest

from app.imaging.ink_finder import Content
from app.training.datasets import load_base_sets
from app.training.scenes.scene import Scene, make_scene

COUNT = 40
Scenes = dict[Content, list[Scene]]


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return load_base_sets().training.digits[:500]


@pytest.fixture(scope="module")
def scenes(digits: np.ndarray) -> Scenes:
    return {content: [make(digits, content, seed) for seed in range(COUNT)] for content in Content}


def make(digits: np.ndarray, content: Content, seed: int) -> Scene:
    return make_scene(digits, content, np.random.default_rng([seed, content]))


def test_images_and_ink_are_of_one_size_and_in_range(scenes: Scenes) -> None:
    for scene in chain.from_iterable(scenes.values()):
        assert scene.image.shape == (*scene.ink.shape, 3)
        for values in (scene.image, scene.ink):
            assert values.dtype == np.float32
            assert values.min() >= 0
            assert values.max() <= 1


def test_without_a_digit_there_is_no_ink(scenes: Scenes) -> None:
    assert {scene.content for scene in scenes[Content.NONE]} == {Content.NONE}
    assert max(scene.ink.max() for scene in scenes[Content.NONE]) == 0


@pytest.mark.parametrize("content", [Content.ONE, Content.SEVERAL])
def test_nearly_every_scene_has_as_many_digits_as_asked_for(
    scenes: Scenes, content: Content
) -> None:
    assert np.mean([scene.content is content for scene in scenes[content]]) >= 0.9
    assert all((scene.ink.max() >= 0.3) == (scene.content > 0) for scene in scenes[content])


def test_the_ink_differs_from_what_is_around_it(scenes: Scenes) -> None:
    differences = []
    for scene in scenes[Content.ONE]:
        inside, around = scene.ink > 0.9, scene.ink == 0
        if inside.sum() > 20:
            gap = scene.image[inside].mean(axis=0) - scene.image[around].mean(axis=0)
            differences.append(np.abs(gap).max())
    assert np.median(differences) > 0.15


def test_the_same_seed_makes_the_same_scene(digits: np.ndarray, scenes: Scenes) -> None:
    same, another = (make(digits, Content.SEVERAL, seed) for seed in (3, COUNT))
    first = scenes[Content.SEVERAL][3]
    assert np.array_equal(first.image, same.image)
    assert np.array_equal(first.ink, same.ink)
    assert not np.array_equal(first.image, another.image)

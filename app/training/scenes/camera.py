"""Light that falls on a scene, and what a camera, a scanner or a screenshot makes of it."""

import cv2
import numpy as np
from numpy.random import Generator

from app.training.scenes.surfaces import Field, Image, blur, random_color

_SKIN = np.array([0.75, 0.55, 0.45], np.float32)


def light(image: Image, rng: Generator) -> Image:
    """Return the image under uneven light: gradients, vignettes, shadows, glare."""
    shape = image.shape[:2]
    lit = image
    if rng.random() < 0.5:
        lit = lit * _gradient(shape, rng)[..., None]
    if rng.random() < 0.3:
        lit = lit * _shadow(shape, rng)[..., None]
    if rng.random() < 0.1:
        lit = lit + _glare(shape, rng)[..., None] * (1 - lit)
    if rng.random() < 0.4:  # the white balance
        lit = lit * rng.uniform(0.8, 1.0, 3).astype(np.float32)
    return np.asarray(lit, np.float32)


def _gradient(shape: tuple[int, int], rng: Generator) -> Field:
    down, across = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    slope, fade = rng.uniform(-0.25, 0.25, 2), rng.uniform(0, 0.25)
    flat = slope[0] * down[:, None] + slope[1] * across
    falloff = fade * (down[:, None] ** 2 + across**2)
    return np.asarray(np.clip(rng.uniform(0.6, 1) + flat - falloff, 0.08, 1.1), np.float32)


def _shadow(shape: tuple[int, int], rng: Generator) -> Field:
    """Return a shadow with a hard or soft edge: a half-plane, a band or a polygon."""
    height, width = shape
    mask = np.zeros(shape, np.float32)
    center, angle = rng.uniform(0.1, 0.9, 2) * (width, height), rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.4:
        angle = round(angle / (np.pi / 2)) * np.pi / 2
    along = np.array([np.cos(angle), np.sin(angle)]) * 4 * max(shape)
    across = np.array([-along[1], along[0]])
    kind = rng.integers(3)
    if kind == 0:
        corners = center + np.array([-along, along, along + across, -along + across])
    elif kind == 1:
        band = across / (4 * max(shape)) * max(shape) * rng.uniform(0.1, 0.5)
        corners = center + np.array([-along, along, along + band, -along + band])
    else:
        corners = center + rng.normal(0, 0.4, (int(rng.integers(3, 7)), 2)) * max(shape)
    cv2.fillPoly(mask, [corners.round().astype(np.int32)], 1.0, cv2.LINE_AA)
    if rng.random() < 0.6:
        mask = blur(mask, max(shape) * np.exp(rng.uniform(-6, -2.2)))
    return np.asarray(1 - mask * np.float32(rng.uniform(0.1, 0.65)), np.float32)


def _glare(shape: tuple[int, int], rng: Generator) -> Field:
    down, across = np.ogrid[: shape[0], : shape[1]]
    center = rng.uniform(0, 1, 2) * shape
    distance = np.hypot(down - center[0], (across - center[1]) * rng.uniform(0.3, 1))
    spread = max(shape) * rng.uniform(0.08, 0.4)
    return np.asarray(rng.uniform(0.2, 0.8) * np.exp(-((distance / spread) ** 2)), np.float32)


def put_finger(image: Image, rng: Generator) -> None:
    """Let a finger, a hand's edge or a pen reach into the image from its side."""
    height, width = image.shape[:2]
    reach = max(height, width) * rng.uniform(0.08, 0.3)
    side, at = rng.integers(4), rng.uniform(0, 1)
    tips = [(at * width, 0.0), (at * width, height), (0.0, at * height), (width, at * height)]
    center = np.array(tips[side])
    color = _SKIN * np.float32(rng.uniform(0.35, 1.2))
    if rng.random() < 0.3:
        color = random_color(rng)
    axes = np.array([reach, reach * rng.uniform(0.2, 0.6)])
    angle = [90, 90, 0, 0][side] + rng.uniform(-30, 30)
    mask = np.zeros((height, width), np.float32)
    cv2.ellipse(
        mask,
        center.round().astype(int).tolist(),
        axes.round().astype(int).tolist(),
        angle,
        0,
        360,
        1.0,
        -1,
        cv2.LINE_AA,
    )
    mask = blur(mask, rng.uniform(0.5, 3))
    image += mask[..., None] * (color - image)


def capture(image: Image, rng: Generator) -> Image:
    """Return the image as a camera, a scanner or a screen shows it: uint8 levels, in 0..1."""
    shot = image
    longer = max(image.shape[:2])
    if rng.random() < 0.5:
        shot = blur(shot, longer * rng.uniform(0.0005, 0.006))
    if rng.random() < 0.08:
        shot = _motion_blur(shot, rng)
    if rng.random() < 0.15:
        shot = _lower_resolution(shot, rng)
    if rng.random() < 0.06:
        shot = shot * _moire(shot.shape[:2], rng)[..., None]
    if rng.random() < 0.55:
        shot = shot + _noise(shot.shape[:2], rng)
    if rng.random() < 0.2:
        shot = _contrast(shot, rng)
    levels = np.clip(shot * 255 + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 95))]
        file = cv2.imencode(".jpg", levels, quality)[1]
        levels = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(levels, np.float32) / np.float32(255)


def _noise(shape: tuple[int, int], rng: Generator) -> Image:
    channels = 3 if rng.random() < 0.4 else 1
    deviation = np.exp(rng.uniform(np.log(0.003), np.log(0.1)))
    grain = rng.standard_normal((*shape, channels), dtype=np.float32) * np.float32(deviation)
    if rng.random() < 0.05:
        hit = rng.random(shape, dtype=np.float32)[..., None] < rng.uniform(0.002, 0.05)
        grain = np.where(hit, rng.choice([-1.0, 1.0], (*shape, 1)).astype(np.float32), grain)
    return np.asarray(grain, np.float32)


def _motion_blur(image: Image, rng: Generator) -> Image:
    length = max(2, round(max(image.shape[:2]) * rng.uniform(0.005, 0.03)))
    kernel = np.zeros((length, length), np.float32)
    ends = [int(value) for value in rng.integers(0, length, 4)]
    cv2.line(kernel, (ends[0], ends[1]), (ends[2], ends[3]), 1.0, 1)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.float32)


def _lower_resolution(image: Image, rng: Generator) -> Image:
    height, width = image.shape[:2]
    share = rng.uniform(0.15, 0.7)
    few = (max(12, round(width * share)), max(12, round(height * share)))
    small = cv2.resize(image, few, interpolation=cv2.INTER_AREA)
    method = cv2.INTER_NEAREST if rng.random() < 0.3 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(small, (width, height), interpolation=method), np.float32)


def _moire(shape: tuple[int, int], rng: Generator) -> Field:
    down, across = np.ogrid[: shape[0], : shape[1]]
    period, angle = rng.uniform(2, 12), rng.uniform(0, np.pi)
    wave = np.sin(2 * np.pi / period * (np.cos(angle) * across + np.sin(angle) * down))
    return np.asarray(1 + rng.uniform(0.01, 0.08) * wave, np.float32)


def _contrast(image: Image, rng: Generator) -> Image:
    """Change the contrast as scanners and editors do: a gamma, stretched or flattened levels."""
    kind = rng.integers(3)
    if kind == 0:
        return np.asarray(np.clip(image, 0, 1) ** np.float32(rng.uniform(0.5, 2)), np.float32)
    middle, strength = rng.uniform(0.35, 0.65), rng.uniform(1.5, 12) if kind == 1 else 0.5
    bent = np.clip((image - middle) * np.float32(strength) + np.float32(0.5), 0, 1)
    return np.asarray(bent, np.float32)

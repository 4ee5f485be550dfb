"""What a camera makes of a scene."""

import numpy as np

from app.training.scenes import camera


def test_motion_blur_leaves_the_ink_where_it_is_marked() -> None:
    image = np.zeros((161, 161, 3), np.float32)
    image[70:91, 70:91] = 1
    rows = np.arange(161)
    for seed in range(20):
        blurred = camera._motion_blur(image, np.random.default_rng(seed))[..., 0]
        middle = [float(blurred.sum(axis=axis) @ rows / blurred.sum()) for axis in (0, 1)]
        np.testing.assert_allclose(middle, 80, atol=0.6)  # a kernel of even length has no middle

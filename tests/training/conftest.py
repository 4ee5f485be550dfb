"""Set up PyTorch for tests of training."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> None:
    """Compute on one thread: other tests run beside these, and threads that share a core wait."""
    torch.set_num_threads(1)

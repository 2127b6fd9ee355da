import pytest


@pytest.fixture(scope="session")
def box(tmp_path_factory):
    """A video of 0.2 s."""
    from fixtures.boxes import box_video

    return box_video(tmp_path_factory.mktemp("box") / "box.mp4", frames=5)


@pytest.fixture
def looked(monkeypatch):
    """Look at uploads in this process, which is quicker than a new one."""
    pytest.importorskip("fastapi", reason="FastAPI is not installed: pip install 'prml-pose[serve]'")
    monkeypatch.setattr("prml.serve.upload.run_isolated", lambda function, *args, what, limits: function(*args))

import pytest
from view_people import person, video


@pytest.fixture
def make_person():
    return person


@pytest.fixture
def make_video():
    return video

"""A page on which one drops a video and gets its 3D pose: FastAPI and uvicorn around :mod:`prml.pipeline`."""

"""The application: what can be asked for, and how it is answered."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route

from prml import __version__
from prml.errors import PrmlError, printable
from prml.serve.answers import About, JobAnswer, JobList, Problem, job_answer
from prml.serve.archive import archive
from prml.serve.guard import Guard, problem
from prml.serve.jobs import MAX_NAME, Jobs
from prml.serve.runner import Runner
from prml.serve.settings import ServeSettings
from prml.serve.upload import UploadError, check_size, look, receive

log = logging.getLogger(__name__)
MAX_UPLOADS = 4  # at a time
_NO_JOB = "there is no such job; it may have been removed"
_ASSETS = {"page.js": "text/javascript", "page.css": "text/css", "api.js": "text/javascript"}
_KINDS = {".html": "text/html", ".mp4": "video/mp4", ".json": "application/json", ".csv": "text/csv"}
_IN_PAGE = {"Content-Security-Policy": "frame-ancestors 'self'"}  # the rest is in the page itself
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
JobId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="the id of a job")]
FileName = Annotated[str, Path(max_length=100, description="the name of one of its files")]


def _problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": Problem} for code in (401, 403, 421, 422, *codes)}


def make_app(jobs: Jobs, settings: ServeSettings, runner: Runner, token: str | None = None) -> FastAPI:
    """Return the application of an open folder; the runner works while it does.

    Args:
        jobs: the jobs of the folder.
        settings: limits and settings.
        runner: the queue, not started yet.
        token: what every request must carry; None if nothing.
    """

    @asynccontextmanager
    async def working(_: FastAPI) -> AsyncIterator[None]:
        runner.start()
        try:
            yield
        finally:
            runner.stop()

    app = FastAPI(
        title="PrML",
        version=__version__,
        summary="Send a video, get the pose of the person in 3D.",
        lifespan=working,
        docs_url=None,  # its page would come from another server
        redoc_url=None,
    )
    app.add_middleware(Guard, token=token, loopback=settings.is_loopback)
    _answer_errors(app)
    _pages(app)
    _uploads(app, jobs, settings)
    _results(app, jobs, settings)

    @app.get("/api/about", summary="What this server is, and what it takes", responses=_problems())
    def about() -> About:
        return About(
            version=__version__,
            weights=settings.weights.rpartition("/")[2],
            detector=settings.detector,
            max_mb=settings.max_mb,
            max_length_s=settings.max_length,
            max_time_s=settings.max_time,
            max_waiting=settings.max_waiting,
        )

    return app


def _answer_errors(app: FastAPI) -> None:
    """Make every error one line of JSON."""

    @app.exception_handler(UploadError)
    async def refused(_: Request, error: UploadError) -> JSONResponse:
        return problem(error.status, str(error))

    @app.exception_handler(HTTPException)
    async def known(request: Request, error: HTTPException) -> JSONResponse:
        headers = {**(error.headers or {})}
        if error.status_code == 405:  # the framework names the methods of one function only
            here = (r for r in app.routes if isinstance(r, Route) and r.matches(request.scope)[0] != Match.NONE)
            headers["Allow"] = ", ".join(sorted({method for route in here for method in route.methods or ()}))
        return JSONResponse({"error": str(error.detail)}, error.status_code, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return problem(422, printable(f"{first['loc'][-1]}: {first['msg']}", 200))

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        return problem(500, "a fault of the server; its log says more")


def _pages(app: FastAPI) -> None:
    folder = files("prml.serve") / "page"

    def sender(name: str, kind: str) -> Callable[[], Awaitable[Response]]:
        async def send() -> Response:
            return Response((folder / name).read_bytes(), media_type=kind)

        return send

    app.add_api_route("/", sender("index.html", "text/html"), include_in_schema=False)
    app.add_api_route("/docs", sender("api.html", "text/html"), include_in_schema=False)
    for name, kind in _ASSETS.items():
        app.add_api_route(f"/page/{name}", sender(name, kind), include_in_schema=False)


def _uploads(app: FastAPI, jobs: Jobs, settings: ServeSettings) -> None:
    """Add what takes a video."""
    open_now = 0

    @app.post(
        "/api/jobs",
        status_code=201,
        summary="Upload a video",
        description="The body is the file itself.",
        responses=_problems(400, 408, 413, 503, 507),
        openapi_extra=_BODY,
    )
    async def upload(
        request: Request, name: Annotated[str, Query(max_length=4 * MAX_NAME, description="the file's name")] = "video"
    ) -> JobAnswer:
        nonlocal open_now
        from starlette.concurrency import run_in_threadpool

        stated = request.headers.get("content-length", "")
        check_size(int(stated[:20]) if stated.isdecimal() else None, jobs.out, settings)
        if jobs.waiting() + open_now >= settings.max_waiting or open_now >= MAX_UPLOADS:
            raise UploadError(503, "too many videos are waiting; try again later")
        open_now += 1
        draft = jobs.draft()
        try:
            size = await receive(request.stream(), draft, settings)
            facts = await run_in_threadpool(look, draft, printable(name, MAX_NAME), size, settings)
            job = await run_in_threadpool(jobs.add, draft, name, facts)
        except ClientDisconnect:
            raise UploadError(400, "the upload ended early; upload the file again") from None
        except PrmlError as error:
            raise error if isinstance(error, UploadError) else UploadError(507, str(error)) from None
        finally:
            draft.unlink(missing_ok=True)
            open_now -= 1
        return job_answer(job, jobs, settings)


def _results(app: FastAPI, jobs: Jobs, settings: ServeSettings) -> None:
    """Add what answers about jobs."""

    def done(number: str) -> dict[str, FilePath]:
        """Return the files of a job that is done, by name."""
        job = jobs.get(number)
        if job is None:
            raise HTTPException(404, _NO_JOB)
        if job.status != "done":
            raise HTTPException(
                409, f"the job is {job.status}, and has no files" + (f": {job.error}" if job.error else "")
            )
        return jobs.files(number)

    @app.get("/api/jobs", summary="All jobs", responses=_problems())
    def listing() -> JobList:
        return JobList(jobs=[job_answer(job, jobs, settings) for job in reversed(jobs.all())])

    @app.get("/api/jobs/{job}", summary="One job", responses=_problems(404))
    def one(job: JobId) -> JobAnswer:
        found = jobs.get(job)
        if found is None:
            raise HTTPException(404, _NO_JOB)
        return job_answer(found, jobs, settings)

    @app.delete("/api/jobs/{job}", status_code=204, summary="Stop a job and remove its files", responses=_problems(404))
    def remove(job: JobId) -> Response:
        if not jobs.remove(job):
            raise HTTPException(404, _NO_JOB)
        return Response(status_code=204)

    @app.get(
        "/api/jobs/{job}/files/{file}",
        summary="One file of a result",
        responses=_problems(404, 409, 416) | {200: {"content": {"application/octet-stream": {}}}},
        response_class=FileResponse,
    )
    def result(job: JobId, file: FileName) -> Response:
        path = done(job).get(file)
        if path is None:
            raise HTTPException(404, "there is no such file; the job's answer lists those that are there")
        kind = _KINDS.get(path.suffix, "application/octet-stream")
        shown = "inline" if path.suffix in (".html", ".mp4") else "attachment"
        return FileResponse(
            path,
            media_type=kind,
            filename=file,
            content_disposition_type=shown,
            headers=_IN_PAGE if shown == "inline" else None,
        )

    @app.get(
        "/api/jobs/{job}/all.zip",
        summary="All files of a result",
        responses=_problems(404, 409) | {200: {"content": {"application/zip": {}}}},
        response_class=StreamingResponse,
    )
    def everything(job: JobId) -> Response:
        found = done(job)
        headers = {"Content-Disposition": f'attachment; filename="{job}.zip"'}
        return StreamingResponse(archive(found), media_type="application/zip", headers=headers)

"""Settings of ``prml serve``. This module imports nothing heavy."""

from dataclasses import dataclass, fields
from ipaddress import ip_address

from prml.errors import PrmlError
from prml.options import option
from prml.pipeline.settings import LiftSettings
from prml.weights import DEFAULT

TOKEN_VARIABLE = "PRML_TOKEN"  # not an option, as others can read the arguments of a process
MIN_TOKEN = 16  # characters
EXPORT = "bvh,bvh_mixamo,bvh_rokoko,bvh_lafan1,glb,vrma,usd,c3d,trc,mot,csv"


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """What a server accepts, and how it lifts.

    Attributes:
        host: address to listen on; any but the loopback (127.0.0.1, ::1, localhost) needs a token in the environment
            variable PRML_TOKEN.
        port: port to listen on; 0 for any free one.
        max_mb: largest upload, MB.
        max_length: longest video, seconds.
        max_time: seconds that lifting one video may take.
        max_memory: memory that lifting one video may take, MB (Linux only).
        max_waiting: videos that may wait in the queue.
        weights: bundled name or a .safetensors file with its card.
        detector: 2D detector: mediapipe, or one added by an installed package.
        model: model of the detector; for mediapipe full, lite, or the path of a .task file (default: full).
        people: how many people to lift: a number, all or auto (default: only the most prominent).
        fov: assumed field of view over the longer image side, degrees (default: 55).
        device: device of the network, for example cpu, cuda or cuda:1.
        export: files of the motion for other programs, separated by commas (none for none).
    """

    host: str = "127.0.0.1"
    port: int = option(8000, minimum=0, maximum=65535)
    max_mb: float = option(500.0, minimum=0.001)
    max_length: float = option(600.0, minimum=0.1, metavar="SECONDS")
    max_time: float = option(3600.0, minimum=0.1, metavar="SECONDS")
    max_memory: int = option(8000, minimum=100, metavar="MB")
    max_waiting: int = option(20, minimum=1)
    weights: str = option(DEFAULT, local=True)
    detector: str = "mediapipe"
    model: str | None = option(None, local=True)
    people: int | str | None = option(None, minimum=1, metavar="{N,all,auto}")
    fov: float | None = option(None, minimum=5, maximum=170, metavar="DEGREES")
    device: str = "cpu"
    export: str = option(EXPORT, metavar="FORMATS")

    def lift_settings(self) -> LiftSettings:
        """Return the settings of every lift."""
        names = {f.name for f in fields(LiftSettings)} & {f.name for f in fields(ServeSettings)}
        return LiftSettings(**{name: getattr(self, name) for name in names})

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    def check_token(self, token: str | None) -> str | None:
        """Return the token, None if there is none; raise PrmlError if it is missing or can be guessed."""
        if not token:
            if not self.is_loopback:
                raise PrmlError(
                    f"host={self.host} lets other machines in, which needs a token: set the environment variable "
                    f"{TOKEN_VARIABLE} to at least {MIN_TOKEN} characters, or leave host=... out"
                )
            return None
        if len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
            raise PrmlError(
                f"{TOKEN_VARIABLE} needs at least {MIN_TOKEN} characters of ASCII without blanks, got {len(token)}; "
                "python -c 'import secrets; print(secrets.token_urlsafe())' prints a good one"
            )
        return token

"""Parts of a protocol that a user may choose: which of his own sequences, which joints."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from prml.errors import PrmlError
from prml.evaluation.protocols.base import EvaluationProtocol
from prml.evaluation.protocols.own import OwnSource
from prml.skeleton import H36M17


def chosen(
    protocol: EvaluationProtocol,
    split: str | None = None,
    subjects: Sequence[str] | None = None,
    joints: Sequence[str] | None = None,
) -> EvaluationProtocol:
    """Return the protocol for a part of the sequences or joints.

    Args:
        protocol: a choice of sequences is for the protocol of the user's own data alone.
        split: only sequences of this split.
        subjects: only sequences of these subjects.
        joints: names of H36M17 that enter joint-wise means; the id says so.

    Raises:
        PrmlError: a choice of sequences for another protocol, or a joint that does not exist.
    """
    if split is not None or subjects:
        if not isinstance(protocol.source, OwnSource):
            raise PrmlError(f"{protocol.name} fixes its sequences; split=... and subjects=... are for the protocol own")
        protocol = replace(protocol, source=OwnSource(split, tuple(subjects or ())))
    if not joints:
        return protocol
    for name in joints:
        if name not in H36M17.joints:
            near = get_close_matches(name, H36M17.joints, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(H36M17.joints)}"
            raise PrmlError(f"unknown joint {name!r}; {hint}")
    return protocol.with_(joints=tuple(sorted({H36M17.index(name) for name in joints})))

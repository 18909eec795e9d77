"""A pod's state → what became of its attempt, by the table of causes (design.md, section 4). Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from penstock.backends.attempt.failure import Failure, lost, system_error
from penstock.backends.attempt.reasons import KILLED, out_of_memory, overtime, why
from penstock.backends.attempt.shape import ExecutorResult
from penstock.backends.kubernetes.plan import PodPlan
from penstock.backends.kubernetes.pods import Container, Pod

STAGE_OUT = "stage-out"
# What registries and runtimes say of an image that will not be there the next time either.
_NO_IMAGE = re.compile(
    r"not found|manifest unknown|name unknown|does not exist|pull access denied|authorization failed|unauthorized"
    r"|403 Forbidden|no match for platform|invalid reference format",
    re.IGNORECASE,
)
_NO_SERVER = re.compile(r"no such host|dial tcp|i/o timeout|connection refused|deadline exceeded", re.IGNORECASE)
_FINAL_WAITS = {"InvalidImageName": "is not a name", "ErrImageNeverPull": "is not on the node"}
_LOST_WAITS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff")
_LONGEST = 400


@dataclass(frozen=True)
class Progress:
    """``failure`` counts only when ``ended``; None then means that all went well.

    ``waits`` is what an attempt that has not started waits for. ``executors`` lack their tails.
    """

    started_us: int | None = None
    ended: bool = False
    failure: Failure | None = None
    executors: list[ExecutorResult] = field(default_factory=list)
    waits: str = ""


def judge(pod: Pod, plan: PodPlan, told: Sequence[str] = ()) -> Progress:
    """How far the attempt has come; ``told`` is what launchers of the first executors have said in the workspace."""
    executors: list[ExecutorResult] = []
    pod = _with_told(pod, told)
    failure, done = _through_executors(pod, plan, executors)
    started = executors[0]["start_us"] if executors else _started(pod)
    if done and (failure is None or failure.outcome != "LOST") and not _waits_for_outputs(pod, plan):
        return Progress(started, True, failure or _of_outputs(pod, plan), executors)
    taken = _taken_away(pod, plan)
    if taken is not None:
        return Progress(started, True, taken, executors)
    if done and failure is not None and failure.outcome == "LOST":
        return Progress(started, True, failure, executors)
    before = _before_start(pod, plan)
    if isinstance(before, Failure):
        return Progress(started, True, before, executors)
    return Progress(started, executors=executors, waits=before)


def _with_told(pod: Pod, told: Sequence[str]) -> Pod:
    """The pod as the kubelet will show it once it has looked. An executor that writes such a file ends its own task."""
    ended = {f"executor-{step}": Container("terminated", message=message) for step, message in enumerate(told)}
    new = {name: one for name, one in ended.items() if _state(pod, name) not in ("terminated", None)}
    return replace(pod, containers=pod.containers | new) if new else pod


def _state(pod: Pod, name: str) -> str | None:
    container = pod.containers.get(name)
    return None if container is None else container.state


def lost_pod(pod: Pod | None) -> Failure:
    """The pod is gone and never told a result."""
    if pod is None:
        return lost("The pod is gone.")
    return lost(f"The pod was taken away: {pod.disruption}." if pod.disruption else "The pod was deleted.")


def _through_executors(pod: Pod, plan: PodPlan, found: list[ExecutorResult]) -> tuple[Failure | None, bool]:
    """The results so far, the failure among them, and whether no executor is still to come."""
    for step, command in enumerate(plan.tree["executors"]):
        container = pod.containers.get(f"executor-{step}")
        if container is None or container.state != "terminated":
            return None, False
        told = _told(container.message)
        if isinstance(told, str):
            return (system_error(told) if told else _without_a_word(step, container, plan, found)), True
        found.append(told.result)
        if told.overtime:
            return overtime(step + 1, plan.time_limit_s), True
        if told.result["exit_code"] == KILLED and told.kills:
            return out_of_memory(step + 1, plan.ram_bytes), True
        if told.result["exit_code"] != 0 and not command["ignore_error"]:
            return why(step + 1, command["command"][0], told.result, plan.ram_bytes), True
    return None, True


def _without_a_word(step: int, container: Container, plan: PodPlan, found: list[ExecutorResult]) -> Failure:
    if container.reason == "OOMKilled":
        at = container.started_us or 0
        found.append(
            {
                "start_us": at, "end_us": at, "exit_code": KILLED, "stdout": "", "stderr": "", "cpu_s": 0.0,
                "peak_bytes": plan.ram_bytes,
            }
        )  # fmt: skip
        return out_of_memory(step + 1, plan.ram_bytes)
    words = f": {_short(container.message)}" if container.message else ""
    return lost(f"The container of executor {step + 1} ended without a result ({container.reason}{words}).")


@dataclass(frozen=True)
class _Told:
    result: ExecutorResult
    kills: int
    overtime: bool


def _told(message: str) -> _Told | str:
    """What the launcher wrote; a text when it refused (or nothing that is understood: then it is empty)."""
    if message.startswith("! "):
        return message[2:].strip()
    try:
        start, end, code, user, system, peak, kills, over = message.split()
        result: ExecutorResult = {
            "start_us": int(start), "end_us": int(end), "exit_code": int(code), "stdout": "", "stderr": "",
            "cpu_s": round(_seconds(user) + _seconds(system), 3), "peak_bytes": int(peak),
        }  # fmt: skip
        return _Told(result, int(kills), over == "1")
    except ValueError:
        return ""


def _seconds(text: str) -> float:
    minutes, _, seconds = text.rstrip("s").partition("m")
    return int(minutes) * 60 + float(seconds)


def _started(pod: Pod) -> int | None:
    first = pod.containers.get("executor-0")
    return first.started_us if first is not None and first.state == "running" else None


def _waits_for_outputs(pod: Pod, plan: PodPlan) -> bool:
    """Whether outputs are still on their way; nobody wakes their container after a launcher was killed."""
    killed = any(one.reason == "OOMKilled" and not one.message for one in pod.containers.values())
    out = pod.containers.get(STAGE_OUT)
    return plan.uploads and not killed and (out is None or out.state != "terminated")


def _of_outputs(pod: Pod, plan: PodPlan) -> Failure | None:
    out = pod.containers.get(STAGE_OUT)
    return _transfer(out) if plan.uploads and out is not None else None


def _taken_away(pod: Pod, plan: PodPlan) -> Failure | None:
    if pod.reason == "DeadlineExceeded":
        return overtime(1, plan.time_limit_s)
    if pod.disruption:
        return lost(f"The pod was taken away: {_short(pod.disruption)}.")
    if pod.deleting and pod.ended:
        return lost("The pod was deleted.")
    if pod.phase == "Failed" and pod.reason:
        return lost(f"The node ended the pod: {_short(f'{pod.reason}: {pod.message}'.strip(': '))}.")
    return None


def _before_start(pod: Pod, plan: PodPlan) -> Failure | str:
    """What is in the way of the start: for good, or what is waited for."""
    if pod.unschedulable:
        return f"no node has room: {_short(pod.unschedulable)}"
    waits, images = "", []
    for name, container in pod.containers.items():
        if container.state == "terminated" and name in ("stage-in", "launcher", STAGE_OUT):
            failure = _transfer(container)
            if failure is not None:
                return failure
        if container.state == "waiting":
            image = _image(name, container, plan)
            found = _waiting(image, container)
            if isinstance(found, Failure):
                return found
            waits = waits or found
            images.append(image)
    return waits or (f"its node still prepares it, or pulls {' and '.join(sorted(set(images)))}" if images else "")


def _waiting(image: str, container: Container) -> Failure | str:
    reason, message = container.reason, _short(container.message)
    if reason in _FINAL_WAITS:
        return system_error(f"The image {image!r} {_FINAL_WAITS[reason]}: {message}")
    if reason in ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"):
        if _NO_IMAGE.search(container.message) and not _NO_SERVER.search(container.message):
            return system_error(f"The image {image!r} does not exist or may not be pulled: {message}")
        return f"the image {image!r} cannot be pulled: {message}"
    if reason in _LOST_WAITS:
        return lost(f"The container cannot be made ({reason}): {message}")
    return ""


def _image(name: str, container: Container, plan: PodPlan) -> str:
    kind, _, step = name.rpartition("-")
    return plan.images[int(step)] if kind == "executor" else container.image


def _transfer(container: Container) -> Failure | None:
    """What a transfer container said when it failed."""
    if container.exit_code == 0:
        return None
    try:
        told = json.loads(container.message)
        return Failure(told["outcome"], told["reason"])
    except (ValueError, KeyError, TypeError):
        return lost(f"A transfer failed ({container.reason}, exit code {container.exit_code}).")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def waiting_too_long(waits: Iterator[str] | str, seconds: float) -> Failure:
    """The pod was not started in time; another attempt may be."""
    said = waits if isinstance(waits, str) else "; ".join(waits)
    return lost(f"The pod did not start within {seconds:g} s: {said or 'the cluster gave no reason'}.")

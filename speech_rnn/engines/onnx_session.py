"""A session of ONNX Runtime for a file, with one thread and clear errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from speech_rnn.errors import ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(path: str | Path | bytes, profile: str = "") -> InferenceSession:
    """Load a file with one thread.

    Parameters
    ----------
    path : an ONNX file that `speech_rnn.export` wrote, or its content.
    profile : prefix of the file to which ONNX Runtime writes the times of all nodes; empty for
        none.

    Raises
    ------
    ModelError
        if the file is missing or truncated, or the installed ONNX Runtime does not support it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # it would plan, and keep, every length of clip separately
    options.log_severity_level = 4  # errors are raised instead
    # Without VNNI, products of signed and unsigned bytes saturate; this uses unsigned ones there.
    options.add_session_config_entry("session.x64quantprecision", "1")
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    try:
        # The fallback would try the same again, and print that among the answers.
        return onnxruntime.InferenceSession(
            path if isinstance(path, bytes) else str(path),
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,
        )
    except Exception as error:  # ONNX Runtime's errors have no other common class
        name = "content" if isinstance(path, bytes) else path
        raise _unreadable(name, error, onnxruntime.__version__) from error


def _unreadable(path: str | Path, error: Exception, runtime: str) -> ModelError:
    name, reason = type(error).__name__, " ".join(str(error).split()).rpartition("failed:")[2]
    reason = re.sub(r"^/\S+ .*?\) (?=[A-Z])", "", reason).rstrip(".")  # drop the source location
    if name == "NoSuchFile":
        return ModelError(f"model={str(path)!r} is no file; give one that speech_rnn.export wrote")
    if name == "InvalidProtobuf" or "No graph was found" in reason:
        return ModelError(
            f"model={str(path)!r} cannot be read as an ONNX file: it is cut short, or none; "
            "export or fetch it again"
        )
    return ModelError(
        f"model={str(path)!r} does not run on onnxruntime={runtime}: {reason}; upgrade: "
        "pip install --upgrade onnxruntime"
    )

"""The onnxruntime session of a model's graph, checked against the manifest.

The graphs' contract (float32):

========  ==========================================  =========================================
kind      inputs                                      outputs
========  ==========================================  =========================================
stateful  ``frames`` (batch, time, numcep), states    ``logits`` (batch, time, labels), states
windowed  ``frames`` (batch, window_frames, numcep)   ``logits`` (batch, labels)
========  ==========================================  =========================================

The daemon reads the last row of a stateful graph's logits. A graph may give that row alone (time 1,
declared as open) where logits at every frame would be costly.

A graph may have further outputs, shaped like ``logits``, each with an object in the manifest:

==========  =======  ==================================================  ===========================
output      columns  says                                                manifest
==========  =======  ==================================================  ===========================
``speech``  1        speech without music                                ``temperature``
``music``   1        music of any kind, sung and under talk included     ``temperature``
``tags``    tags     what kind of music, by the words of listeners       ``labels``, ``temperature``
==========  =======  ==================================================  ===========================

and ``embedding``, one row per call, with as many columns as the manifest's ``embedding`` says: what
the linear layer of the genres takes. It is fetched where a head of one's own genres takes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamgenre.errors import ModelError
from streamgenre.inference.manifest import FRAMES
from streamgenre.inference.onnx_file import problem_of
from streamgenre.system.memory import release_heap

if TYPE_CHECKING:
    from streamgenre.inference.manifest import Manifest


def open_graph(manifest: Manifest, weights: bytes) -> Any:
    """Return the onnxruntime session of a model's graph.

    Parameters
    ----------
    manifest
        The model's manifest.
    weights
        The content of ``model.onnx``.

    Raises
    ------
    ModelError
        If it is damaged, refers to other files, or does not fit the manifest.
    """
    # onnxruntime would look for tensors in other files, relative to the working directory.
    if problem := problem_of(weights):
        raise ModelError(f"{manifest.weights}: {problem}")
    session = _session(manifest, weights)
    try:
        _check_tensors(manifest, session)
    except UnicodeDecodeError as error:
        raise ModelError(
            f"{manifest.weights}: a name in the graph is damaged: {error}; export the model again"
        ) from error
    return session


def _session(manifest: Manifest, weights: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread that sleeps while idle: the daemon runs for months beside other programs.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # An arena keeps what one run needs for the next: the C library's heap would scatter it, and
    # grow by half of it. A plan for each shape of the inputs would keep a block of its own.
    options.enable_cpu_mem_arena = True
    options.enable_mem_pattern = False
    # What it thinks of a graph is in the exception; it would print on stderr too.
    options.log_severity_level = 4
    # Not its own format, which it would recognise by the first bytes: that was not checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    state = onnxruntime.capi.onnxruntime_pybind11_state
    errors = (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NoSuchFile,
        state.NotImplemented,
        state.RuntimeException,
        RuntimeError,  # any other C++ exception
        MemoryError,
        ValueError,  # UnicodeDecodeError, where a message quotes damaged bytes
    )
    try:
        session = onnxruntime.InferenceSession(
            weights,
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # it would print on stdout and try the same once more
        )
    except errors as error:
        raise ModelError(
            f"{manifest.weights}: onnxruntime {onnxruntime.__version__} cannot load it: {error}"
        ) from error
    session._model_bytes = None
    release_heap()
    return session


def _check_tensors(manifest: Manifest, session: Any) -> None:
    """Check names, types and shapes of the graph against the manifest."""
    numcep = manifest.features.numcep
    if manifest.kind == "stateful":
        inputs: dict[str, tuple[int | None, ...]] = {FRAMES: (None, None, numcep)}
        leading: tuple[int | None, ...] = (None, None)
        inputs |= {state.input: (None, *state.shape) for state in manifest.states}
    else:
        inputs = {FRAMES: (None, manifest.window_frames, numcep)}
        leading = (None,)
    outputs: dict[str, tuple[int | None, ...]] = {
        **{name: (*leading, columns) for name, columns in manifest.outputs.items()},
        **{state.output: (None, *state.shape) for state in manifest.states},
    }
    for expected, found, what in (
        (inputs, session.get_inputs(), "input"),
        (outputs, session.get_outputs(), "output"),
    ):
        there = {tensor.name: tensor for tensor in found}
        if set(there) != set(expected):
            raise ModelError(
                f"{manifest.weights}: {what}s are {sorted(there)}, the manifest asks for "
                f"{sorted(expected)}; export the model again"
            )
        for name, shape in expected.items():
            tensor = there[name]
            fixed = tuple(size if isinstance(size, int) else None for size in tensor.shape)
            # A size that the manifest leaves open (None) must be open in the graph too.
            fits = len(fixed) == len(shape) and all(
                is_ is None or want == is_ for want, is_ in zip(shape, fixed, strict=True)
            )
            if tensor.type != "tensor(float)" or not fits:
                asked = ["any" if size is None else size for size in shape]
                raise ModelError(
                    f"{manifest.weights}: {what} {name!r} is {tensor.type} {list(tensor.shape)}, "
                    f"the manifest asks for tensor(float) {asked}; "
                    "export the model again"
                )

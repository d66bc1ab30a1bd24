"""The one sentence for what went wrong, whatever library said it."""

from __future__ import annotations

import errno
import weakref

import pytest

from stylesync_engine import failures
from stylesync_engine.failures import (
    is_out_of_memory,
    named_error,
    report_error,
    want_memory,
)
from stylesync_engine.request import Cancelled, MediaError


def chained(last: BaseException, first: BaseException, named: bool = True) -> BaseException:
    """`last`, raised while `first` was handled."""
    try:
        try:
            raise first
        except BaseException as error:
            if named:
                raise last from error
            raise last  # noqa: B904 - as libraries do
    except BaseException as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libx.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        chained(
            MediaError("ffv1 cannot store this clip."),
            OSError("Resource temporarily unavailable: 'avcodec_open2(\"ffv1\")'"),
        ),
        ValueError("Mmap of '7' at offset '0' failed with error '12'.The model allocation is null"),
        RuntimeError("XNNPack delegate failed to reshape runtimeNode number 388 (TfLite)"),
        RuntimeError("failed to create XNNPACK runtimeNode number 388 failed to prepare."),
        BaseException("PyObject pointer is null"),
        chained(OSError("Could not load 'libx.so'"), OSError("Cannot allocate memory"), False),
        chained(MediaError("The clip cannot be read."), MemoryError()),
    ],
)
def test_a_lack_of_memory_is_named_whoever_meets_it(error: BaseException) -> None:
    assert "not enough memory" in str(named_error(error))


def test_who_interrupts_an_import_has_cancelled_it() -> None:
    class Interrupted:
        def __set_name__(self, owner: type, name: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, RuntimeError)) as found:
        type("Made", (), {"entry": Interrupted()})
    assert isinstance(named_error(found.value), Cancelled)


def test_memory_is_asked_for_before_a_library_is_that_would_not_say_so() -> None:
    want_memory(2**20)
    with pytest.raises(MemoryError):
        want_memory(2**62)


@pytest.mark.parametrize(
    "error",
    [
        MediaError("The clip 'cannot allocate memory.mov' cannot be read."),
        chained(MediaError("The clip cannot be read."), OSError(errno.EIO, "I/O error")),
        Cancelled("The job was cancelled."),
        chained(Cancelled("The job was cancelled."), MemoryError()),
    ],
)
def test_other_errors_keep_their_sentence(error: BaseException) -> None:
    assert named_error(error) is error


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR])
def test_a_path_that_leads_nowhere_is_no_fault_of_ours(number: int) -> None:
    error = named_error(OSError(number, "It leads nowhere", "x" * 5000))
    assert isinstance(error, MediaError)
    assert len(str(error)) < 300


def test_a_chain_of_other_causes_is_no_lack_of_memory() -> None:
    error = chained(MediaError("a"), chained(ValueError("b"), KeyError("c"), False))
    assert not is_out_of_memory(error)


def test_a_lack_of_memory_is_told_though_there_is_none_for_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    held: list[weakref.ref[bytearray]] = []

    class Held(bytearray):
        pass

    def work() -> None:
        frames = Held(10)
        held.append(weakref.ref(frames))
        raise MemoryError

    def keep(_: BaseException) -> None:
        assert held[0]() is None
        raise MemoryError

    monkeypatch.setattr(failures, "keep_error", keep)
    with pytest.raises(MemoryError) as found:
        work()
    assert report_error(found.value, as_json=True) == 1
    assert "not enough memory" in capsys.readouterr().out

"""Names of files that are being written: hidden, and never those of another process or machine.

Two workers of a farm may write the same file at the same moment: each writes a draft of its own and
renames it. The machine and the process in the name say whose a draft is that a crash left behind,
so that the next to write the same file can take it away; the random end keeps apart what is alike.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
import unicodedata
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from stylesync_engine.request import DiskError, DubError, RequestError

_LONGEST_STEM = 80
_NUMBER = re.compile(r"%(0?\d|01\d|)d")
_GRACE = 1.0  # s in which a crashed holder's lock is told from a living one's


def draft_of(path: Path) -> Path:
    """A new name beside `path`, with its suffix, to write to before `path` is replaced."""
    return path.with_name(_draft_name(path) + path.suffix)


def draft_folder_of(path: Path) -> Path:
    """A new name beside `path` for a folder in which what becomes `path` is made."""
    return path.with_name(_draft_name(path))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft to write to; it becomes `path` when the block ends well, and goes where it does
    not; what a killed process has left is taken away."""
    sweep_drafts(path)
    draft = draft_of(path)
    try:
        yield draft
        draft.replace(path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def sweep_drafts(path: Path) -> None:
    """Take away the drafts of `path` that crashed processes of this machine have left behind.

    Those of running processes and of other machines stay, as does everything where a system does
    not tell which processes run.
    """
    pattern = re.compile(
        rf"\.{re.escape(path.stem[:_LONGEST_STEM])}\.{re.escape(_place())}-(\d{{1,9}})"
        r"-[0-9a-f]{6}\.part(\..*)?"
    )
    with contextlib.suppress(OSError):
        for found in list(path.parent.iterdir()):
            named = pattern.fullmatch(found.name)
            if named and not _runs(int(named[1])):
                with contextlib.suppress(OSError):
                    shutil.rmtree(found) if found.is_dir() else found.unlink()


def _draft_name(path: Path) -> str:
    own = f"{_place()}-{os.getpid()}-{secrets.token_hex(3)}"
    return f".{path.stem[:_LONGEST_STEM]}.{own}.part"


@functools.cache
def _place() -> str:
    """Where process numbers mean what they mean here: the machine, and the container on it. Its
    name is for people; the digest tells machines and containers apart whose names are alike."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:32] or "host"
    try:
        container = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        container = ""
    digest = hashlib.sha256(f"{uuid.getnode()} {container}".encode()).hexdigest()
    return f"{host}-{digest[:8]}"


def _runs(process: int) -> bool:
    if os.name != "posix":
        return True  # asking there with a signal would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def open_regular(path: Path) -> BufferedReader:
    """A regular file to read. Raises OSError for whatever else has a name: a device never ends, and
    a pipe waits for somebody to write."""
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return file


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_bounded(path: Path, limit: int) -> bytes:
    """The whole of a small file. Raises OSError where it cannot be read, is no regular file, or
    has more than `limit` bytes."""
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EINVAL, f"it has more than {limit} bytes", str(path))
    return data


def expanded(path: str | Path) -> Path:
    """With the home folder in the place of ~, where there is one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # of nobody that this system knows
        return Path(path)


@dataclass(frozen=True, slots=True)
class NumberedName:
    """The name of numbered images, such as `shot.%04d.exr`: what stands around the number."""

    head: str
    digits: int
    tail: str

    @classmethod
    def of(cls, name: str) -> NumberedName | None:
        """None for any other name; the last place of a number counts."""
        for place in reversed(list(_NUMBER.finditer(name))):
            return cls(name[: place.start()], int(place[1] or 1), name[place.end() :])
        return None

    def __str__(self) -> str:
        return f"{self.head}%0{self.digits}d{self.tail}"

    def image(self, number: int) -> str:
        return f"{self.head}{number:0{self.digits}d}{self.tail}"

    def images(self) -> re.Pattern[str]:
        """What the images are called; the group is the number."""
        return re.compile(rf"{re.escape(self.head)}(\d{{{self.digits},}}){re.escape(self.tail)}")


def decoded(data: bytes, name: str) -> str:
    """The text of a file by its mark, as UTF-8, or as what it looks like; raises RequestError where
    it looks like no text."""
    from charset_normalizer import from_bytes

    marked = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16" if marked else _utf_16_by_zeros(data), "utf-8-sig"):
        with suppress(UnicodeDecodeError):
            if encoding:
                return data.decode(encoding)
    # Accents of Western languages stand alone, or two together, as in Grüße.
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", data[: 2**20])]
    western = max(runs, default=0) <= 2 and sum(runs) <= 1.5 * len(runs)
    best = None if western else from_bytes(data[: 2**20]).best()
    if best is None and not western:
        raise RequestError(f"'{name}' is no text; export it in UTF-8.")
    return data.decode(best.encoding if best else "cp1252", errors="replace")


def _utf_16_by_zeros(data: bytes) -> str | None:
    """UTF-16 without its mark, which shows in the zeros of its Latin letters."""
    even, odd = data[:1024:2].count(0), data[1:1024:2].count(0)
    if max(even, odd) * 4 <= len(data[:1024]):
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def name_file(path: str | Path) -> str:
    """A file's name for a sentence; what names none, as a secret's own text, is not quoted."""
    try:
        return f"'{path}'" if Path(path).exists() else "that is named"
    except (OSError, ValueError):
        return "that is named"


def file_hash(path: Path) -> str:
    """The file's sha256 as 64 hexadecimal digits. Raises OSError where it cannot be read."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_once(path: Path) -> str:
    """`file_hash`, counted again only once the file has changed."""
    status = path.stat()
    mark = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return _hash_marked(path, mark)


@functools.lru_cache(maxsize=2**16)
def _hash_marked(path: Path, mark: tuple[int, ...]) -> str:
    return file_hash(path)


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A hidden name beside `path` to write to; it becomes `path` when the block ends well.

    Whatever goes wrong, nothing is left behind and an older file at `path` stays as it was; what a
    killed process has left is taken away the next time.
    Raises DiskError for a full disk or a place that cannot be written to.
    """
    path = path.absolute()
    sweep_drafts(path)
    draft = draft_of(path)
    try:
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield draft
            draft.replace(path)
    finally:
        _remove(draft)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the disk says into one sentence that tells what to do."""
    try:
        yield
    except DubError:
        raise
    except Exception as error:
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskError(
                f"The disk is full while writing '{path}'; make room and run this again."
            ) from error
        if number in (
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.ENOTDIR,
            errno.ENOENT,
            errno.EEXIST,
        ):
            raise DiskError(f"'{path}' cannot be written to; choose another place.") from error
        if number == errno.ENAMETOOLONG:
            raise DiskError(f"The name '{path.name}' is too long; choose a shorter one.") from error
        raise


def _remove(path: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_text(path: Path, text: str) -> None:
    """The file appears when it is whole, names that are no UTF-8 escaped. Raises DiskError."""
    with disk_errors(path), replacing(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")


@dataclass(frozen=True, slots=True)
class Written:
    """Files that a job will write: those of `folder` whose plain names match `names`."""

    folder: Path
    names: re.Pattern[str]

    @classmethod
    def one(cls, path: Path) -> Written:
        return cls(path.parent, re.compile(re.escape(plain_name(path.name))))

    def existing(self) -> Iterator[Path]:
        """What lies there already and would be replaced."""
        with disk_errors(self.folder), suppress(FileNotFoundError, NotADirectoryError):
            for entry in os.scandir(self.folder):
                if self.names.fullmatch(plain_name(entry.name)):
                    yield Path(entry.path)


def plain_name(name: str) -> str:
    """Letters as a file system that does not tell case or accents' spelling apart takes them."""
    return unicodedata.normalize("NFC", name).casefold()


def refuse_overwriting(reads: Mapping[str, Iterable[Path]], writes: Iterable[Written]) -> None:
    """Raise RequestError where a file that is read, by its role, would be written, whatever its
    spelling: files are compared as the disk knows them."""
    sources = {_identity(path): (role, path) for role, paths in reads.items() for path in paths}
    for written in writes:
        for path in written.existing():
            found = _identity(path)
            if found is not None and found in sources:
                role, source = sources[found]
                raise RequestError(
                    f"The output would overwrite the {role}, '{source}'; choose another name."
                )


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        status = path.stat()
        return status.st_dev, status.st_ino
    return None


def _short(name: str) -> str:
    """A name that leaves room for more, and is as much its own."""
    if len(name) <= _LONGEST_STEM:
        return name
    return f"{name[:_LONGEST_STEM]}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[None]:
    """Nobody else who asks may write `path` meanwhile; `wait` for them, else raises RequestError.

    The lock lies beside it and says whose it is: one that a crash left behind is found and taken.
    """
    from filelock import SoftFileLock, Timeout  # which a farm's quick commands do without

    path = path.absolute()
    lock = SoftFileLock(path.with_name(f".{_short(path.name)}.lock"))
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=-1 if wait else _GRACE, poll_interval=0.1)
        except Timeout as error:
            raise RequestError(
                f"'{path}' is in use by another dub (process {lock.pid}); run this again when it"
                " is done, wait for it, or give another output and work folder."
            ) from error
    try:
        yield
    finally:
        lock.release()

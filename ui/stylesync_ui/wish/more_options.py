"""The options of a dub that most dubs leave alone, folded away below the others."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QVBoxLayout, QWidget
from stylesync_plugin.contract import DubOptions

from stylesync_ui.look.widgets import Check, Choice, button, named_row, row
from stylesync_ui.wish.choices import DubWish

CAMERA_SPACES = (
    "ARRI LogC3 (EI800)", "ARRI LogC4", "S-Log3 S-Gamut3", "S-Log3 S-Gamut3.Cine", "V-Log V-Gamut",
    "CanonLog2 CinemaGamut D55", "CanonLog3 CinemaGamut D55", "Log3G10 REDWideGamutRGB",
    "BMDFilm WideGamut Gen5", "DaVinci Intermediate WideGamut", "Apple Log", "D-Log D-Gamut",
)  # fmt: skip
"""Those of OpenColorIO's studio configuration that cameras and grading write."""


class MoreOptions(QWidget):
    """A heading that opens and closes; it tells how much is set while it is closed."""

    option_changed = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.heading = button("", "fold")
        self.heading.setCheckable(True)
        self.second, self.colour_space = Choice(), Choice()
        self.credentials, self.mark = Choice(), Choice()
        self.checks = {
            "keep_sound": Check(self.tr("Keep the shot's other sound")),
            "match_loudness": Check(self.tr("Speech as loud as the shot's")),
            "deinterlace": Check(self.tr("Deinterlace the clips")),
        }
        self._body = QWidget()
        self._set = 0
        self._fill()
        self._build()
        self._connect()

    def _fill(self) -> None:
        self.second.addItem(self.tr("Nothing else"), None)
        self.second.addItem(self.tr("Only what changes, with alpha"), "overlay")
        self.second.addItem(self.tr("Layers for compositing, EXR"), "vfx")
        self.second.setToolTip(
            self.tr("A second delivery, beside the first in the clip that comes to the timeline.")
        )
        self.colour_space.addItem(self.tr("As its tags say"), None)
        for name, title in (
            ("bt709", self.tr("SDR, Rec. 709")), ("pq", self.tr("HDR, PQ")),
            ("hlg", self.tr("HDR, HLG")), ("linear", self.tr("Linear, Rec. 709")),
            ("linear-bt2020", self.tr("Linear, Rec. 2020")),
            ("acescg", "ACEScg"), ("aces2065-1", "ACES2065-1"),
            *((name, name) for name in CAMERA_SPACES),
        ):  # fmt: skip
            self.colour_space.addItem(title, name)
        # The longest names may be cut off; a scroll bar must not make the form scroll sideways.
        self.colour_space.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.colour_space.setMinimumContentsLength(20)
        self.colour_space.setToolTip(self.tr("The shot's colours, where its tags are wrong."))
        self._fill_origin()
        for key, tip in (
            ("keep_sound", self.tr("Music and noises of the shot stay beside the new speech.")),
            (
                "match_loudness",
                self.tr("The new speech gets the loudness of the shot's sound."),
            ),
            ("deinterlace", self.tr("Frames are made of the fields of interlaced clips.")),
        ):
            self.checks[key].setToolTip(tip)

    def _fill_origin(self) -> None:
        for key, name in (
            ("auto", self.tr("If a certificate is set up")),
            ("off", self.tr("None")),
            ("test", self.tr("Of a test, proves nothing")),
        ):
            self.credentials.addItem(name, key)
        self.credentials.setToolTip(
            self.tr("Signed proof of origin; without a certificate nothing is signed.")
        )
        self.mark.addItem(self.tr("Not marked"), "none")
        self.mark.addItem(self.tr("Marked as made by a model"), "metadata")
        self.mark.setToolTip(
            self.tr("In the file's metadata, for programs that sort and label; MOV, MP4 and PNG.")
        )

    def _build(self) -> None:
        inner = QVBoxLayout(self._body)
        inner.setContentsMargins(0, 4, 0, 0)
        inner.setSpacing(5)
        inner.addLayout(named_row(self.tr("Deliver too"), self.second))
        inner.addLayout(named_row(self.tr("Colours"), self.colour_space))
        inner.addLayout(named_row(self.tr("Credentials"), self.credentials))
        inner.addLayout(named_row(self.tr("Metadata"), self.mark))
        for check in self.checks.values():
            inner.addLayout(named_row("", check))
        made = QVBoxLayout(self)
        made.setContentsMargins(0, 0, 0, 0)
        made.setSpacing(0)
        made.addLayout(row(self.heading, None))
        made.addWidget(self._body)
        made.addStretch(1)  # else the heading jumps while the form takes its new size
        self._fold(False)

    def _connect(self) -> None:
        self.heading.toggled.connect(self._fold)
        for box, name in (
            (self.second, "second"), (self.colour_space, "colour_space"),
            (self.credentials, "credentials"), (self.mark, "mark"),
        ):  # fmt: skip
            box.activated.connect(
                lambda _, b=box, n=name: self.option_changed.emit(n, b.currentData())
            )
        for name, check in self.checks.items():
            check.clicked.connect(lambda on, n=name: self.option_changed.emit(n, on))

    def show_wish(self, wish: DubWish) -> None:
        options, plain = wish.options, DubOptions()
        self.second.setCurrentIndex(self.second.findData(wish.second))
        self.second.refuse({options.delivery: self.tr("This is delivered already.")})
        self._show_space(options.colour_space)
        self.credentials.setCurrentIndex(self.credentials.findData(options.credentials))
        self.mark.setCurrentIndex(self.mark.findData(options.mark))
        for name, check in self.checks.items():
            check.setChecked(getattr(options, name))
        names = ("colour_space", "credentials", "mark", *self.checks)
        changed = [name for name in names if getattr(options, name) != getattr(plain, name)]
        self._set = len(changed) + (wish.second is not None)
        self._entitle()

    def _show_space(self, name: str | None) -> None:
        """A name that is not in the list comes from elsewhere, and joins it."""
        if self.colour_space.findData(name) < 0:
            self.colour_space.addItem(name or "", name)
        self.colour_space.setCurrentIndex(self.colour_space.findData(name))

    def _fold(self, is_open: bool) -> None:
        self._body.setVisible(is_open)
        self._entitle()

    def _entitle(self) -> None:
        is_open = self.heading.isChecked()
        title = self.tr("More")
        if self._set and not is_open:
            title = self.tr("More, {n} set").format(n=self._set)
        self.heading.setText(f"{'▾' if is_open else '▸'}  {title}")

"""Where things lie: the project, its demo, the tests' own material, and data that may be absent."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = Path(__file__).resolve().parent
DEMO = ROOT / "packaging" / "demo"
DATA = ROOT.parent / "shared" / "data"

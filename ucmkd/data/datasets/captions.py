"""Short captions of made-up scenes, and what a frozen generator imagines when it reads them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ucmkd.data import base
from ucmkd.data.base import Samples, Workspace
from ucmkd.data.splits import group_split
from ucmkd.data.words import number_words
from ucmkd.seeding import generator_for

PLACES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "beach": (
        ("shore", "seaside", "sands", "coast", "dunes", "cove", "lagoon", "boardwalk", "tideline", "sandbank",
         "bay", "promenade"),
        ("seashells", "parasols", "driftwood", "deck chairs", "sandcastles", "starfish", "surfboards",
         "gulls", "rock pools", "breakers", "swimsuits", "seaweed"),
    ),
    "forest": (
        ("woods", "woodland", "grove", "thicket", "clearing", "timberland", "undergrowth", "copse", "spinney",
         "glade", "rainforest", "canopy"),
        ("oaks", "pine cones", "ferns", "mushrooms", "moss", "tree trunks", "acorns", "squirrels", "birches",
         "fallen leaves", "brambles", "woodpeckers"),
    ),
    "mountain": (
        ("summit", "peak", "ridge", "slopes", "cliff", "alps", "pass", "glacier", "crag", "highlands",
         "precipice", "ravine"),
        ("boulders", "snowdrifts", "climbing ropes", "icicles", "ibexes", "ice axes", "eagles", "ski tracks",
         "cairns", "edelweiss", "crampons", "avalanche signs"),
    ),
    "farm": (
        ("barn", "pasture", "stable", "cornfield", "barnyard", "orchard", "cowshed", "henhouse", "paddock",
         "sheepfold", "ranch", "granary"),
        ("hay bales", "cows", "tractors", "chickens", "pitchforks", "sheep", "milk churns", "ploughs",
         "scarecrows", "piglets", "combine harvesters", "troughs"),
    ),
    "city": (
        ("street", "avenue", "downtown", "crossroads", "pavement", "plaza", "boulevard", "intersection",
         "skyline", "alley", "high street", "sidewalk"),
        ("skyscrapers", "taxis", "traffic lights", "billboards", "lampposts", "shop windows",
         "zebra crossings", "parking meters", "hydrants", "scooters", "manholes", "neon signs"),
    ),
    "kitchen": (
        ("stove", "sink", "pantry", "worktop", "oven", "cooker", "fridge", "larder", "hob", "dishwasher",
         "scullery", "breakfast bar"),
        ("saucepans", "wooden spoons", "frying pans", "chopping boards", "teapots", "ladles", "aprons",
         "mixing bowls", "whisks", "spice jars", "colanders", "rolling pins"),
    ),
    "classroom": (
        ("school", "blackboard", "lecture hall", "teacher's desk", "schoolroom", "whiteboard", "study hall",
         "nursery school", "seminar room", "laboratory", "academy", "auditorium"),
        ("textbooks", "pupils", "pencils", "chalk", "exercise books", "rulers", "globes", "satchels",
         "microscopes", "crayons", "times tables", "report cards"),
    ),
    "station": (
        ("platform", "railway", "ticket hall", "tracks", "terminal", "train depot", "waiting room", "subway",
         "departure board", "level crossing", "buffers", "underground"),
        ("suitcases", "locomotives", "timetables", "conductors", "carriages", "commuters", "luggage trolleys",
         "ticket machines", "sleeping cars", "porters", "freight wagons", "turnstiles"),
    ),
    "garden": (
        ("lawn", "flower bed", "backyard", "greenhouse", "hedge", "rockery", "vegetable patch", "trellis",
         "potting shed", "arbour", "herbaceous border", "allotment"),
        ("roses", "watering cans", "tulips", "lawnmowers", "wheelbarrows", "flowerpots", "rakes", "gnomes",
         "daffodils", "secateurs", "sunflowers", "compost heaps"),
    ),
    "stadium": (
        ("arena", "pitch", "grandstand", "running track", "football ground", "court", "goal line", "terraces",
         "sports field", "velodrome", "dugout", "ballpark"),
        ("referees", "goalposts", "trophies", "cheering fans", "scoreboards", "floodlights", "hurdles",
         "jerseys", "medals", "mascots", "javelins", "linesmen"),
    ),
}  # fmt: skip
"""For each class the spots and the things that tell it, the commonest first."""

WHO = (
    "a woman", "two girls", "an old man", "three friends", "a boy", "a young couple", "a photographer",
    "some tourists", "a family", "a man in a hat", "two sisters", "a painter", "a nurse", "twins",
    "a violinist", "a postman",
)  # fmt: skip
OBJECTS = (
    "umbrella", "bicycle", "dog", "kite", "backpack", "balloon", "guitar", "camera", "blanket", "cat",
    "basket", "jacket", "newspaper", "ladder", "hat", "scarf",
)  # fmt: skip
MENTIONS = ("far away from any {}", "with no {} in sight", "dreaming of the {}", "instead of the {}")
"""Clauses that name a spot of another class, which the scene does not show."""

MENTIONED = 0.25
"""The share of captions with such a clause."""

FRAMES = (
    "{who} with a {thing} near the {spot}, next to some {detail}",
    "by the {spot}: {who}, some {detail} and a {thing}",
    "a {thing} lies among {detail} while {who} can be seen at the {spot}",
    "{detail} and a {thing}; behind them the {spot} and {who}",
    "here {who} found a {thing} and plenty of {detail} close to the {spot}",
    "view of the {spot} where {who} left a {thing} beside {detail}",
    "{who} looks past {detail} towards the {spot}, holding a {thing}",
    "a picture of a {thing}, {detail} and {who} in front of the {spot}",
    "at the {spot} there are {detail}, a {thing} and {who}",
    "snapshot: {who} carrying a {thing} along the {spot} full of {detail}",
    "some {detail} surround {who}, whose {thing} stands against the {spot}",
    "the {spot} again, this time with {who}, a {thing} and many {detail}",
    "{who} resting on a {thing} between {detail} and the {spot}",
    "postcard showing {detail} at the {spot} as well as {who} with a {thing}",
    "close-up of {detail}; in the distance a {thing}, the {spot} and {who}",
    "{who} points a {thing} at {detail} not far from the {spot}",
    "this shows how {who} reached the {spot} and put a {thing} onto {detail}",
    "there is a {thing} in the middle, {who} on the left, {detail} on the right, the {spot} behind",
    "{who} and {detail}, arranged around a {thing} at the edge of the {spot}",
    "a quiet scene at the {spot}, {detail} everywhere, {who} asleep under a {thing}",
    "waiting by the {spot}, {who} counts {detail} and guards a {thing}",
    "somebody dropped a {thing} into the {detail}, and {who} left the {spot}",
    "across the {spot} walks {who}, followed by a {thing} and {detail}",
    "portrait of {who} as they collect {detail} around the {spot}, a {thing} at hand",
    "album page one: the {spot}, a {thing}, {detail}, {who}",
    "what {who} saw from the {spot} was a {thing} on top of {detail}",
    "half hidden by {detail}, {who} lifts a {thing} over the {spot}",
    "{who} smiling, the {spot} in the background, {detail} in the foreground, a {thing} above",
    "no one but {who} at the {spot}, only {detail} and a {thing}",
    "through the window one sees {detail}, then a {thing}, then {who} on the {spot}",
)
"""How a caption is worded; each is used in one split only."""

ZIPF = 1.5
"""How fast words become rare. It and MENTIONED are such that a student with ten labels a class and no teacher
is right about two times in three."""

PER_FRAME_AND_CLASS = 10
FRACTIONS = {"train": 0.6, "val": 0.15, "test": 0.25}
LENGTH = 32

CHANNELS, SIDE, CELLS = 4, 16, 4
HEARD = {"spot": 1.0, "detail": 0.7, "mention": 0.5, "object": 0.7}
"""How strongly the generator draws what a caption names. Like the real ones it half overhears a denial."""

FREEDOM = 4.0
"""Standard deviation of what the generator makes up."""

LEXICON: Mapping[str, tuple[str, str]] = {
    **{word: (place, "spot") for place, (spots, _) in PLACES.items() for word in spots},
    **{word: (place, "detail") for place, (_, details) in PLACES.items() for word in details},
    **{word: (word, "object") for word in OBJECTS},
}
"""What the generator knows of each word: its meaning, and the part it plays."""

KNOWN = re.compile(rf"\b(?:{'|'.join(sorted(LEXICON, key=len, reverse=True))})\b")
OPENINGS = tuple(mention.partition("{}")[0] for mention in MENTIONS)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which side of the captions.

    Attributes
    ----------
    view : "text" or "generated"
        The numbers of the words, or the small image that the generator makes of the text, as 1,024 numbers.
    """

    view: Literal["text", "generated"] = "generated"


@dataclass(frozen=True)
class Caption:
    """A text, the number of its frame, and the number of the place that it describes."""

    text: str
    frame: int
    label: int


class Dataset(base.Dataset[Settings]):
    """Ten places, each told by many words; 3,000 captions, every one different.

    The image (4, 16, 16), as a row, depends on the words of the caption alone. The generator has a lexicon:
    words for one place give one pattern, shifted a little, below patterns of objects and much noise.
    """

    modality = "tabular"
    title = "Captions and what a generator imagines (synthetic)"
    licence = "made on this machine; no rights"
    citation = (
        "Setting after Sengupta, Dixit, Akhtar and Chakraborty, From Images to Words, arXiv:2603.10877, 2026"
    )
    source = "sentences put together from word lists, and patterns drawn, by a seeded generator"
    quirks = (
        "Synthetic: the captions describe no pictures, and the generator is a lexicon with patterns and "
        "noise, no trained model.",
        "The generator reads the text alone; that it knows which words belong to one place is what a large "
        "one would bring.",
        "One caption in four names another place, too, and says that it is not there.",
        "Its difficulty was set by looking: captions were made harder until a small student alone left room "
        "on test rows, and the generator noisier after a teacher scored above 99 %. It still scores near "
        "that, so a gain here shows that a mechanism works, not what it is worth.",
    )
    instances = "captions"
    grouped = True
    Settings = Settings

    def __init__(self, settings: Any, workspace: Workspace | None = None) -> None:
        super().__init__(settings, workspace)
        self.modality = "text" if settings.view == "text" else "tabular"

    def load(self) -> Samples:
        """Write all captions; number their words, or imagine them."""
        captions = compose()
        texts = [caption.text for caption in captions]
        frames = [f"frame{caption.frame:02d}" for caption in captions]
        ids = [f"caption{number:04d}" for number in range(len(captions))]
        return Samples(
            inputs=self._inputs(texts),
            labels=np.array([caption.label for caption in captions], dtype=np.int64),
            classes=tuple(PLACES),
            ids=ids,
            groups=frames,
            split=group_split(frames, FRACTIONS),
            pair_ids=ids,
            texts=texts,
        )

    def _inputs(self, texts: list[str]) -> NDArray[Any]:
        if self.settings.view == "text":
            return number_words(texts, length=LENGTH)
        return np.stack([imagine(text) for text in texts])


def compose() -> list[Caption]:
    """Write the captions, as many of each place in each frame."""
    found: dict[str, Caption] = {}
    for number, frame in enumerate(FRAMES):
        draw = generator_for(0, "captions", number)
        for label in range(len(PLACES)):
            wanted = len(found) + PER_FRAME_AND_CLASS
            while len(found) < wanted:
                text = _worded(frame, label, draw)
                found.setdefault(text, Caption(text, number, label))
    return list(found.values())


def _worded(frame: str, label: int, draw: np.random.Generator) -> str:
    places = list(PLACES.values())
    spots, details = places[label]
    text = frame.format(
        who=_any(WHO, draw), thing=_any(OBJECTS, draw),
        spot=_common(spots, draw), detail=_common(details, draw),
    )  # fmt: skip
    if draw.random() < MENTIONED:
        other = places[(label + draw.integers(1, len(places))) % len(places)]
        text += ", " + _any(MENTIONS, draw).format(_common(other[0], draw))
    return text


def _any(words: tuple[str, ...], draw: np.random.Generator) -> str:
    return words[draw.integers(len(words))]


def _common(words: tuple[str, ...], draw: np.random.Generator) -> str:
    """Draw a word whose probability falls with its rank as Zipf's law has it."""
    weights = np.arange(1, len(words) + 1.0) ** -ZIPF
    return words[int(draw.choice(len(words), p=weights / weights.sum()))]


def imagine(text: str) -> NDArray[np.float32]:
    """Make the image of a caption, shape (1024,), from its words alone.

    What the lexicon knows is drawn as a smooth pattern of its meaning, moved a little, over smooth noise. All
    of chance is that of a generator seeded with the text.
    """
    draw = generator_for(0, "captions", "imagine", text)
    image = FREEDOM * _smooth(draw)
    for meaning, strength in understood(text):
        moved = draw.integers(-1, 2, size=2)
        image = image + strength * np.roll(_pattern(meaning), tuple(moved), axis=(1, 2))
    return image.ravel().astype(np.float32)


def understood(text: str) -> list[tuple[str, float]]:
    """List what the generator makes of a caption: meanings, and how strongly each is drawn."""
    found = []
    for match in KNOWN.finditer(text):
        meaning, kind = LEXICON[match[0]]
        denied = kind == "spot" and text[: match.start()].endswith(OPENINGS)
        found.append((meaning, HEARD["mention" if denied else kind]))
    return found


@cache
def _pattern(meaning: str) -> NDArray[np.float64]:
    return _smooth(generator_for(0, "captions", "pattern", meaning))


def _smooth(draw: np.random.Generator) -> NDArray[np.float64]:
    """Draw a pattern (CHANNELS, SIDE, SIDE), constant on squares."""
    coarse = draw.standard_normal((CHANNELS, CELLS, CELLS))
    return coarse.repeat(SIDE // CELLS, axis=1).repeat(SIDE // CELLS, axis=2)

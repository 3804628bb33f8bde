"""Detector classes that a noun denotes or resembles: a swan is a bird, a camel resembles a horse.

Static vectors do not know this: for rare nouns their cosines follow the spelling ("goat" is nearest to "cat" and
"boat"). Ambiguous nouns ("seal", "crane") are left out.
"""

from __future__ import annotations

# Nouns that each class denotes (COCO's names; other names of a class are synonyms in `label_matching`).
_KINDS = {
    "bird": "swan duck duckling mallard goose parrot penguin flamingo chicken hen rooster cock chick pigeon dove "
    "gull seagull eagle hawk falcon owl ostrich emu crow raven turkey peacock sparrow heron stork pelican "
    "woodpecker hummingbird canary budgie cockatoo macaw robin vulture magpie puffin",
    "dog": "puppy pup doggy doggie hound poodle bulldog terrier labrador retriever beagle husky dalmatian "
    "chihuahua pug corgi collie spaniel dachshund greyhound rottweiler doberman",
    "cat": "kitten kitty tomcat",
    "horse": "pony foal mare stallion mustang",
    "cow": "calf bull ox oxen cattle bison heifer yak buffalo",
    "sheep": "lamb ram ewe",
    "bear": "panda",
    "car": "jeep taxi cab sedan suv limousine convertible minivan van coupe hatchback racecar automobile",
    "truck": "lorry pickup firetruck van",
    "bus": "minibus trolleybus",
    "train": "tram locomotive subway metro",
    "motorcycle": "scooter moped dirtbike bike",
    "bicycle": "bike tricycle",
    "boat": "ship canoe kayak yacht sailboat ferry raft dinghy motorboat speedboat rowboat gondola watercraft",
    "airplane": "jet aircraft airliner biplane seaplane",
    "sports ball": "ball football basketball soccerball volleyball baseball",
    "tennis racket": "racket racquet",
    "skateboard": "longboard board",
    "surfboard": "board",
    "snowboard": "board",
    "skis": "ski",
    "chair": "armchair stool seat wheelchair",
    "bed": "crib cot cradle",
    "cup": "mug teacup glass",
    "wine glass": "glass goblet",
    "tv": "screen monitor",
    "laptop": "computer notebook",
    "cell phone": "smartphone iphone mobile",
    "refrigerator": "fridge",
    "suitcase": "luggage briefcase",
    "handbag": "purse",
    "backpack": "rucksack knapsack schoolbag",
    "umbrella": "parasol",
    "teddy bear": "teddy",
    "sandwich": "burger hamburger",
    "cake": "cupcake",
    **dict.fromkeys(("apple", "banana", "orange"), "fruit"),
    **dict.fromkeys(("carrot", "broccoli"), "vegetable"),
}
_QUADRUPEDS = ("dog", "cat", "horse", "cow", "sheep", "bear", "elephant", "zebra", "giraffe")
_SMALL = ("dog", "cat", "bear", "bird", "teddy bear")
_VEHICLES = ("car", "truck", "bus", "motorcycle", "train")
# Nouns without a class, and the classes that detectors tend to give to what they denote.
_RESEMBLING = (
    (
        "goat camel llama alpaca deer moose antelope gazelle pig piglet hog boar lion lioness tiger leopard "
        "cheetah panther wolf fox hyena kangaroo rhino rhinoceros hippo hippopotamus donkey mule dog cat "
        "horse cow sheep bear elephant zebra giraffe",
        _QUADRUPEDS,
    ),
    (
        "monkey ape gorilla chimpanzee koala raccoon squirrel rabbit bunny hare hamster hedgehog ferret otter "
        "meerkat rat guinea-pig lizard iguana crocodile alligator turtle tortoise frog",
        _SMALL,
    ),
    (
        "tractor tuk-tuk rickshaw ambulance bulldozer excavator forklift cart wagon carriage buggy kart car "
        "truck bus motorcycle train",
        _VEHICLES,
    ),
    ("stroller pram pushchair trolley", ("chair", "bicycle", "suitcase", "truck")),
    ("helicopter drone glider", ("airplane", "bird", "kite")),
    ("paraglider parachute", ("kite", "umbrella", "airplane")),
    ("sled sledge toboggan", ("snowboard", "skis", "surfboard")),
    ("desk counter", ("dining table",)),
    ("pan pot plate dish basin bucket", ("bowl",)),
    ("flower flowers bush tree", ("potted plant",)),
    ("tablet ipad camera", ("cell phone", "laptop")),
)


def _by_noun(rows: tuple[tuple[str, tuple[str, ...]], ...]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for nouns, classes in rows:
        for noun in nouns.split():
            found.setdefault(noun, set()).update(classes)
    return {noun: frozenset(classes) for noun, classes in found.items()}


KIND_OF = _by_noun(tuple((nouns, (name,)) for name, nouns in _KINDS.items()))
_RESEMBLES = _by_noun(_RESEMBLING)


def resembling(noun: str) -> frozenset[str]:
    """Return the classes that detectors tend to give to what a noun denotes, if they lack its own class."""
    return frozenset().union(*(_RESEMBLES.get(name, ()) for name in (noun, *KIND_OF.get(noun, ()))))

"""Word lists of the sentence parser: closed classes, verbs and their forms, clothes, places, people.

For words in no list, `word_classes` relies on the tagger. All words are lower case; lemmas are singular.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COLOURS = _words(
    """red blue green yellow black white gray grey brown pink purple orange beige golden gold silver tan
    cyan khaki navy maroon violet turquoise cream crimson magenta teal ivory scarlet blond blonde"""
)
SHADES = _words("dark light pale bright deep colorful colourful striped plaid checkered floral camouflage spotted")

CLOTHES = _words(
    """clothes clothing cloth dress skirt shirt tshirt t-shirt blouse sweater coat jacket vest hoodie suit
    uniform jersey kimono robe gown apron costume outfit pajamas swimsuit bikini diaper underwear
    trousers pants jeans shorts short leggings sleeve socks sock shoe shoes boot boots slipper slippers
    sandal sneaker hat cap helmet headscarf scarf hood glove gloves mask glasses sunglasses goggles
    eyeglasses earring necklace bracelet tie belt ribbon wig headband bandana turban watch ring collar
    pocket button jumpsuit overalls cardigan tuxedo tights top stripe stripes garment armor armour veil
    shawl cloak"""
)
HELD_GARMENTS = _words("pocket pockets button ring watch collar cloth")  # not worn: one is not "in" a pocket
PARTS_OF_THINGS = _words("stripe stripes top belt ribbon tie mask hood short cover")  # a bag can be "with" these
BODY = _words(
    """hair beard mustache moustache ponytail braid bun bang skin face head eye nose mouth lip ear cheek
    chin neck shoulder arm elbow wrist hand finger fist chest breast stomach belly waist back hip leg
    thigh knee foot toe tail body tattoo horn wing paw fur feather lap scar"""
)
SCENES = _words(
    """pavement sidewalk room home house bedroom bathroom kitchen office classroom gym playground
    playgrounds yard garden park street road path way lane outdoors outdoor indoors indoor outside
    inside grass lawn grassland ground floor field court stage show theater theatre snow ice water sea
    ocean lake river stream pool beach shore sand bar shop store mall market restaurant canteen cafe
    hall lobby corridor hallway party wedding birthday meeting contest race dinner lunch breakfast night
    evening morning day daytime forest wood woods wild jungle desert mountain mountains hill sky air
    city town village school kindergarten lab museum zoo church hospital airport station building castle
    warehouse showroom playroom ballroom washroom restroom study dock slope competition concert dark front
    middle center centre distance background scene video picture corner place area square karaoke game
    gathering ceremony performance evening countryside farm basement balcony darkness rain sun sunshine
    bank coast side library studio factory garage cellar attic campus shade crowd"""
)
ENTIRELY = _words("all entirely completely fully mostly wholly")  # "dressed all in black"
POSITIONS = _words(
    """left right middle center centre front back rear far side top bottom leftmost rightmost foreground
    background"""
)

MALE = _words("man boy male guy gentleman father dad grandfather uncle brother son groom husband king waiter actor")
FEMALE = _words(
    "woman girl female lady mother mom grandmother aunt sister daughter bride wife queen waitress actress"
)
PERSONS = (
    MALE
    | FEMALE
    | _words(
        """stranger thief enemy guard servant monk nun priest knight prince princess emperor maid cook chef
    boss clerk patient victim killer robber hero lawyer judge reporter photographer musician guitarist
    pianist drummer athlete runner cyclist swimmer surfer gymnast referee coach fan opponent partner
    guest customer passenger stewardess pilot captain sailor farmer hunter fisherman fireman postman
    cowboy ghost bodyguard assistant secretary neighbor owner parent twin teenager youth elder villager
    citizen adult child kid baby infant toddler person people human student teacher player worker doctor
    nurse singer dancer soldier officer policeman cop driver rider skier skater performer audience
    couple family friend somebody someone anyone everyone nobody audlt"""
    )
)
ANIMALS = _words(
    """animal dog puppy cat kitten horse pony cow cattle bull calf sheep goat pig elephant lion tiger
    leopard bear panda monkey rabbit bird duck chicken hen goose penguin parrot fish shark turtle snake
    lizard crocodile camel kangaroo deer fox wolf squirrel hamster mouse rat frog insect bee butterfly
    stingray crab antelope giraffe zebra hippo hippopotamus rhino rhinoceros gorilla ape donkey mule ox bison
    buffalo lamb swan eagle owl pigeon gull seagull ostrich peacock dolphin whale otter beaver hedgehog squid
    octopus spider ant lobster"""
)
DRESSED_ANIMALS = _words("animal dog puppy cat kitten monkey bear panda rabbit")  # can wear clothes
OBJECTS = _words(
    """ball bat bag backpack basket bed bench bicycle bike boat book bottle box bread bus cake camera car
    card cart cellphone chair computer cup desk dish door faucet flag flower frisbee fruit guitar gun
    handbag knife lamp laptop letter microphone microwave monitor motorcycle newspaper oven paper phone
    piano picture plate refrigerator rope scooter screen seat ski skateboard snowboard sofa stool
    suitcase surfboard swing table toilet toy train tree truck umbrella vase vegetable wall watercraft
    wheelchair window stroller pram trolley kite statue suitcase motorbike van ladder shelf mirror pillar"""
)
# Further things, for spelling correction and as nouns that cannot wear clothes. OBJECTS are also never verbs.
THINGS = _words(
    """airplane aircraft alarm apple arrow awning balloon banana barrel bathtub beer blackboard blanket blender
    board bowl branch bridge broom brush bucket burger bush cabinet candle candy cane cannon canoe carpet carriage
    carrot ceiling chain chalk cigarette clock coin column container cookie cooler corn couch counter cradle crate
    crib cupboard curtain cushion dishwasher donut drawer dresser drink drum duvet envelope escalator fence
    fireplace fork freezer fridge fryer garbage gate glider goal grill hamburger hammer handle hammock harp
    helicopter hose hydrant jar jeep jug kayak kettle lantern leash lid luggage mailbox mat mattress mic minivan
    necktie notebook oar orange ornament package pan parachute pen pencil pillar pillow pipe pizza plane plant
    platform pole porch post poster pot pumpkin purse puzzle racket radio raft rail railing ramp remote rifle rock
    roof rug sandwich saxophone scissors sculpture shed shield ship shovel sign sink slide snowball soap spoon spray
    staircase stair stairs stick stone stove straw sword television tent tire toaster tool toothbrush torch
    towel tractor entrance tray tripod trophy trumpet tub tunnel tv violin wagon wheel whip wine xylophone yacht"""
)
PARTITIVES = _words("group pair couple piece kind number lot bunch slice set crowd bit")

PRONOUNS = _words(
    """i you he she it we they me him her them us himself herself itself themselves someone somebody
    everyone everybody anyone anybody something everything nothing nobody mine hers theirs"""
)
REFLEXIVES = _words("himself herself itself themselves")
MASCULINE = _words("he him his himself")
FEMININE = _words("she her hers herself")
NEUTER = _words("it its itself")
PLURAL = _words("they them their theirs themselves")
SUBJECTIVE = _words("he she they his their himself herself themselves")  # preferably refer to the subject
POSSESSIVES = _words("his its their my your our whose")
DETERMINERS = _words(
    "a an the this these those some any each every both another other all no several many few two three four five"
)
ORDINALS = _words("first second third fourth fifth sixth last")
EXTREMES = _words("leftmost rightmost topmost uppermost bottommost foremost rearmost")
WH_WORDS = _words("who what which whom whose")
SUBORDINATORS = _words("while as when before after until because if once since whilst")
CONJUNCTIONS = _words("and or nor but then so & meanwhile") | (SUBORDINATORS - {"before", "after", "since", "once"})
SEQUENCERS = _words("then finally afterwards afterward next")
ADVERBS = _words(
    """please not never again still also just slowly quickly suddenly immediately together very too carefully
    gently directly happily outdoors indoors upstairs downstairs back forward forwards backward
    backwards twice once apart aside already first later continuously constantly where how why asleep
    awake alone aloud neither"""
)
NEGATIONS = _words("not n't never nor neither")
NOBODY = _words("nobody nothing none")
BE = _words("be is are was were been being 's am isn't aren't wasn't")
DO = _words("do does did don't doesn't didn't")
HAVE = _words("has have had having")
MODALS = _words("can could will would shall should may might must")

# Prepositions: canonical form, then its spellings.
_PREPOSITIONS = """
in front of: in front of, in the front of, in fornt of, infront of, in front, front of, at the front of, ahead of
behind: behind, from behind, at the back of, in the back of, on the back of, in back of, behind of
next to: next to, next_to, nextto, next by, next with, beside, besides, alongside, adjacent to
next to: by the side of, at the side of, on the side of
close to: close to
near: near, near to, nearby
towards: towards to, towards, toward, toward to, in the direction of
away from: away from, away of, away to, away, far from, far away from, far away
above: above, up above, on the top of, on top of
beneath: beneath, from under, from beneath, beneath of, below, under, underneath, at the bottom of
inside: inside, inside of, within
outside: outside of, outside
left of: to the left of, on the left of, on the left side of, to the left side of, at the left of, left of
right of: to the right of, on the right of, on the right side of, to the right side of, at the right of, right of
in the middle of: in the middle of, in the center of, in the centre of
out of: out of
into: into, in to
onto: onto, on to, unto
off: off, off of
up: up
down: down
out: out
up to: up to
over to: over to
back to: back to
down to: down to
out to: out to
across from: across from
across: across
opposite: opposite, opposite to
around: around, round
between: between
among: among, amongst, amid
through: through
past: past
along: along
over: over
against: against
during: during
without: without
upon: upon
with: with, along with, together with
like: like
about: about
after: after
before: before
since: since
for: for
from: from
of: of
by: by
at: at
to: to
on: on
in: in
"""
PREPOSITIONS: dict[tuple[str, ...], str] = {
    tuple(spelling.split()): canonical
    for canonical, spellings in (line.split(": ") for line in _PREPOSITIONS.strip().splitlines())
    for spelling in spellings.split(", ")
}
# Spatial predicates, which form a separate relation beside that of the verb ("stands in front of").
SPATIAL = frozenset(
    """in front of|behind|next to|close to|near|above|beneath|inside|outside|left of|right of|in the middle of
    |between|among|opposite|across from""".replace("\n    ", "").split("|")
)
LOCATIVES = _words("in at on by over during for about inside outside near") | {"close to", "in the middle of"}
MEASURES = _words("step time round circle lap minute second moment while bit")  # no object in "goes two steps"
PLURALIA = _words(
    "glasses sunglasses eyeglasses goggles pants jeans trousers shorts leggings tights scissors clothes"
)
FOLLOWED = _words("to at for with against")  # attach to the verb even after an object: "throws it to her"
CONTACT = _words("slip sit lie stand kneel step jump hop lean crawl land climb crouch squat lay")
# After these verbs, "in the coat" is a place, not clothing.
PUTTING = _words("put place hide stick insert drop wrap tuck throw pack stuff")
SEARCHING = _words("look search reach fumble dig rummage peep peek")
# After these verbs, "on the left" is the subject's position, not a direction.
STAYING = _words(
    "stand sit lie kneel squat crouch wait sleep rest lean stay hang dance sing remain stop hover float"
)
GIVING = _words("give hand throw pass show offer toss bring send feed teach tell")
PARTICLES = _words(
    """up down off on out around back over away in forward forwards backward backwards along apart aside
    through round about by past across upwards downwards inside outside left right upstairs downstairs"""
)

_VERBS = """
add adjust aim apologise apologize applaud approach argue arrest arrive ask assemble attach attack avoid
back bandage bang bark bathe beat beckon begin bend bite bless blindfold blink block blow boil bolt bounce
bow box break bring brush build bully bump burn bury butcher button call caress carry cartwheel catch change
charge chase chat cheat check cheer chew choke chop chuckle circle clap clasp claw clean clench climb close
clutch coil collapse collect collide comb comfort command complain conduct confront congratulate continue
cook cough count cover crack cradle cram crash crawl creep cross crouch crush cry cuddle curse curtsy cut
cycle dab dance dangle dart dash dazzle deal decorate defend deliver demonstrate descend destroy detach dial
dig dip direct disappear discuss dismount display dissolve distribute dive dodge donate doze drag drain
drape draw dribble drift drink drip drive drop drown drum duck duel dunk eat eject embrace empty enjoy enter
erase escape escort examine exchange exercise exhale exit explain explode expose extend face fade faint fake
fall fasten feed feel fetch fiddle fidget fight fill film find finish fire fish fix flap flash flee fling
flip flirt float fly fold follow frown fumble gallop gather gaze gesture get giggle give glance glare glide
glue gnaw go grab grasp greet grin grind grip groan grope growl grunt guide hand handcuff handle hang haul
head hear heave hesitate hide hit hold honk hop howl hug hum hunt hurl hurry imitate impersonate inject
insert inspect interact invite iron jog join juggle jump keep kick kidnap kill kiss knead kneel knit knock
land lash laugh lay lead lean leap leave lecture leer let lick lie lift light limp listen live load lob lock
look loosen lower lunge lurk make march mash massage meditate meet melt mend meow mime miss mix moan mock
mop mount move mow murmur nap nibble nip nod nudge nurse observe offer open operate overtake pace pack
paddle paint parade pass paste pat pause peddle peek peel peep peer perch perform pet photograph pick pile
pinch pinpoint pitch place plant play plead pledge plow pluck plug plunge point poke polish pop pose pounce
pour pout practice pray preach prepare press pretend prick prod prop propose protect prune puff pull pump
punch punish purr pursue push put quarrel raise rake ram ransack rap reach read receive recline record
recover reel reflect refuse rehearse relax release remain remove repair reply rescue rest restrain retreat
return ride ring rinse rise roar roast rob rock roll rotate row rub rummage run rush sacrifice saddle sail
salute sashay say scamper scan scare scatter scold scoop scowl scrape scratch scream scrub search see seize
select sell send serve settle shake sharpen shave shelter shift shine shiver shoot shout shove shovel show
shrug shudder shuffle shut sigh sign signal sing sip sit skate sketch ski skid skim skip slam slap sleep
slice slide sling slip slither slump smack smash smear smell smile smoke snap snarl snatch sneak sneeze
sniff snore snort snuggle soak sob soothe spank spar speak spill spin spit splash split sponge spray spread
sprinkle sprint spy squash squat squeak squeeze squint squirt stab stack stagger stalk stamp stand stare
start starve steal steer step stiffen stir stitch stomp stoop stop straighten strangle stretch stride strike
stroke stroll struggle strum study stuff stumble stutter suck support surf surround swagger swallow swat
sway swear sweat sweep swim swing swipe switch swoop tackle take talk tap taste taunt teach tear tease tell
tend thank threaten throw thrust thump tickle tie tilt tip tiptoe topple torture toss touch tow trample
transfer trap treat trek tremble trim trip trot trudge try tuck tug tumble turn twirl twist twitch type
unbutton undress unfasten unfold unload unlock unroll untie unwind unwrap unzip urge use usher vacuum vault
veer venture vomit waddle wade wag wail wait wake walk wallop wander warn wash watch water wave wear weep
weigh welcome whack wheel whimper whirl whisper whistle widen wield wiggle wink wipe wobble work worry wrap
wrestle wring write yank yawn yell yelp zip zoom
"""
_IRREGULAR = """
be was were been; beat beat beaten; begin began begun; bend bent bent; bite bit bitten; blow blew blown;
break broke broken; bring brought brought; catch caught caught; cut cut cut; dig dug dug; draw drew drawn;
drink drank drunk; drive drove driven; eat ate eaten; fall fell fallen; feed fed fed; feel felt felt; fight
fought fought; flee fled fled; fly flew flown; get got gotten; give gave given; go went gone; hang hung
hung; hear heard heard; hide hid hidden; hit hit hit; hold held held; keep kept kept; kneel knelt knelt; lay
laid laid; lead led led; leave left left; let let let; lie lay lain; make made made; meet met met; put put
put; read read read; ride rode ridden; ring rang rung; rise rose risen; run ran run; say said said; see saw
seen; sell sold sold; send sent sent; shake shook shaken; shoot shot shot; shut shut shut; sing sang sung;
sit sat sat; sleep slept slept; slide slid slid; speak spoke spoken; spin spun spun; spread spread spread;
stand stood stood; steal stole stolen; strike struck struck; sweep swept swept; swim swam swum; swing swung
swung; take took taken; teach taught taught; tear tore torn; tell told told; throw threw thrown; wake woke
woken; wear wore worn; write wrote written
"""
_DOUBLING = _words(
    """chop clap cut dig drag drop dunk get grab grip hit hop hug jog knit let mop nap nod pat pet pin plug
    put ram rub run scrub set shut sip sit skip slap slip snap spin spit squat step stir stop strum swat
    swim tap tip trip tug wag wrap zip drum flip win bat beg begin chat dab dip flap jog rap rob scan
    skid skim slam slit spar split swap trap trim trot yap nip lob prod"""
)


def _third(verb: str) -> str:
    if verb.endswith(("s", "sh", "ch", "x", "z", "go", "do")):
        return verb + "es"
    return verb[:-1] + "ies" if verb.endswith("y") and verb[-2] not in "aeiou" else verb + "s"


def _past(verb: str) -> str:
    if verb in _DOUBLING:
        return verb + verb[-1] + "ed"
    if verb.endswith("e"):
        return verb + "d"
    return verb[:-1] + "ied" if verb.endswith("y") and verb[-2] not in "aeiou" else verb + "ed"


def _gerunds(verb: str) -> list[str]:
    """Return the -ing form and its common misspellings: waving, waveing; sitting, siting."""
    forms = [verb + "ing"]
    if verb in _DOUBLING:
        forms.append(verb + verb[-1] + "ing")
    elif verb.endswith("ie"):
        forms.append(verb[:-2] + "ying")
    elif verb.endswith("e") and not verb.endswith("ee"):
        forms.append(verb[:-1] + "ing")
    return forms


def _verb_forms() -> dict[str, tuple[str, str]]:
    """Return {inflected spelling: (lemma, form)}, form one of base, s, ing, en (past or participle)."""
    forms: dict[str, tuple[str, str]] = {}
    for verb in sorted(_words(_VERBS)):
        forms[_past(verb)] = (verb, "en")
        forms.update({form: (verb, "ing") for form in _gerunds(verb)})
        forms[_third(verb)] = (verb, "s")
    for row in _IRREGULAR.split(";"):
        verb, *past = row.split()
        forms.update({form: (verb, "en") for form in past if form not in forms})
    forms.update({verb: (verb, "base") for verb in _words(_VERBS)})
    return forms


VERB_FORMS = _verb_forms()
# Past forms that are usually another word.
for _other in ("left", "saw", "lay", "felt"):
    VERB_FORMS.pop(_other, None)

MISSPELLINGS = _words("audlt")  # listed above because annotators write them
ALL_WORDS = frozenset().union(
    *(words for words in list(vars().values()) if isinstance(words, frozenset) and words),
    VERB_FORMS,
    *PREPOSITIONS,
)

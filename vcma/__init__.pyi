from vcma.api.artifacts import artifact_info as artifact_info
from vcma.api.artifacts import read_artifact as read_artifact
from vcma.api.grounding import Grounding as Grounding
from vcma.api.pipeline import Pipeline as Pipeline
from vcma.api.pipeline import load as load
from vcma.api.pipeline import parse as parse
from vcma.api.video_tubes import VideoTubes as VideoTubes
from vcma.errors import InputError as InputError
from vcma.records.query import Query as Query
from vcma.records.tubes import Tubes as Tubes

__version__: str

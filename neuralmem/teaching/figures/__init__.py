"""One function per kind of figure: arrays in, a matplotlib Figure out. A file a subject; `style` is shared."""

from .controller import *
from .costs import *
from .demo import *
from .drawers import *
from .exam import *
from .memory import *
from .meta import *
from .replay import *
from .rooms import *
from .streams import *
from .style import *
from .today import *

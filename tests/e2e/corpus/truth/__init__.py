"""What is wrong with each view of the corpus, as a reviewer of Django code would say. Not what pgscope says."""

from .reads import READS
from .units import OTHERS

VIEWS = [*READS, *OTHERS]
FAULTY = [view for view in VIEWS if view.expected]
SOUND = [view for view in VIEWS if not view.expected]

"""An oracle for the fault suite: what scores, stages and hand-offs must be, given nothing but what was sent.

Written from the documents, not from the services, and importing nothing from them or from `shared`: a mistake made
there is not made here again. It does not care for speed, and looks at every event in the order of the log.
"""

from tests.fault.oracle.calls import Answered, Recycled, Refused, Sent, Told, read
from tests.fault.oracle.hands import HandOffStep
from tests.fault.oracle.log import Paired, pair, poison
from tests.fault.oracle.oracle import ExpectedLead, expected, split
from tests.fault.oracle.score import SignalShown
from tests.fault.oracle.way import RouterTold, StageStep

__all__ = [
    "Answered",
    "ExpectedLead",
    "HandOffStep",
    "Paired",
    "Recycled",
    "Refused",
    "RouterTold",
    "Sent",
    "SignalShown",
    "StageStep",
    "Told",
    "expected",
    "pair",
    "poison",
    "read",
    "split",
]

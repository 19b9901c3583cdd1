"""An invented company's four months of leads, as Segment calls.

株式会社タスキソフト sells software to businesses. Everybody and every company here is made up, e-mail addresses
lie under `.example`. Pure and seeded: the same arguments give the same bytes.
"""

from services.cli.sample.calls import Call, identity_of
from services.cli.sample.generate import Sample, generate

__all__ = ["Call", "Sample", "generate", "identity_of"]

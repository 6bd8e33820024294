"""Prefixes of vendors' tokens, by which a token is told that was reversed, turned by 13 letters, or changed its case.

Only what begins with one of them is looked at in such a form: other words with a sign in them, `call_…` and `run-…`,
are in every log. A test holds the list to the bundled patterns.
"""

from typing import Any, Final

import numpy as np

from detector.jit import bare

LONGEST: Final = 6  # letters
_WRITTEN: Final = """
    access age aik aio api apify apk app avns bb bbdc bbff bbus bce bkaa bkaj bkar bkat bkcqt bkct bkjat bkpat bkps
    bkpt bkrt bktr bktx bkua bkur cal ccipat cciprj cf cfat cfk cfpat cfut chpt cio client co cog cpk crsr csk cw
    cxet cxta cxtp cxup dbtc dbtu dckr dd ddapp ddo ddp ddw depot dnkey doo dop dor dotenv dsp dtn dub duffel dvc
    essu fbk fhb figd figp fio flp gb gho ghp ghr ghs ghu github glc glcbt gldt glffct glft glimt gloas glpat glptt
    glrt glrtr glsa glsoat glwt gocspx gsk hcp hcr hcw hf hrku hskey hxtp hxtw ico ik inc jina jsrd jsrp jsrw kaggle
    key kgat kpat ld lin lip live llx mdb mg mid napi nbp nfb nfc nfo nfp nfu npm nrak nrii nriq nrra ntn nvapi odt
    ol opk ops ory os ovsxat pat pcsk perm permit pha phr phs phx pina pk plane pmak pmat pnb pnu polar pplx pscale
    pss ptr pts pul putty pylf pypi qov ramp rdme retool rk rnd rootly rpa runner rzp sb sbp scp sec secret sgai sgd
    sgp shippo shpat shpca shppa shpss shptka shpua sib sk sktsec slk sm sntryi sntrys sntryu snyk spat spu sqa sqp
    squ ste swmkey swmtkn test tfp tgp tgpak tgpat tk token tpuf tskey tss tvly ucat unkey vca vci vck vcp vcr vtwn
    waka wandb wg whsec wpl xaat xai xapp xapt xau xoxb xoxc xoxd xoxp ydc zai zpka
"""
PREFIXES: Final = tuple(_WRITTEN.split())
_BITS: Final = 5


def _key(prefix: str) -> int:
    key = 0
    for letter in prefix:
        key = key << _BITS | (ord(letter) - 96)
    return key


_KEYS: Final = np.array(sorted(map(_key, PREFIXES)), np.int64)


@bare
def begins_with_prefix(data: Any, at: int, step: int, size: int, turn: int) -> bool:
    """Whether the letters at `at`, `at + step`, … are a prefix, each turned by `turn` letters; in any case."""
    key = 0
    for place in range(size):
        letter = (int(data[at + step * place]) | 32) - 97
        key = key << _BITS | ((letter + turn) % 26 + 1)
    low, high = 0, _KEYS.size
    while low < high:
        middle = (low + high) >> 1
        if _KEYS[middle] < key:
            low = middle + 1
        else:
            high = middle
    return bool(low < _KEYS.size and _KEYS[low] == key)

"""Which region of the United Kingdom a postcode's area lies in: what `postcode_area` and `outcode` become where they are too fine.

Belongs here: the table. Not here: postcodes (coarse.py).

An area that crosses a border counts for the region in which most of its addresses lie. The regions are those of the Office for National Statistics
(ITL 1); an area that the table does not know is `Elsewhere`.
"""

from __future__ import annotations

ELSEWHERE = "Elsewhere"

_AREAS = {
    "East Midlands": "DE DN LE LN NG NN",
    "East of England": "AL CB CM CO IP LU NR PE SG SS",
    "London": "BR CR E EC EN HA IG KT N NW RM SE SM SW TW UB W WC WD",
    "North East": "DH DL NE SR TS",
    "North West": "BB BL CA CH CW FY L LA M OL PR SK WA WN",
    "Northern Ireland": "BT",
    "Scotland": "AB DD DG EH FK G HS IV KA KW KY ML PA PH TD ZE",
    "South East": "BN CT DA GU HP ME MK OX PO RG RH SL SO TN",
    "South West": "BA BH BS DT EX GL PL SN SP TA TQ TR",
    "Wales": "CF LD LL NP SA",
    "West Midlands": "B CV DY HR ST SY TF WR WS WV",
    "Yorkshire and The Humber": "BD HD HG HU HX LS S WF YO",
    "Crown Dependencies": "GY IM JE",
}

REGIONS = (*_AREAS, ELSEWHERE)
_REGION_OF = {area: region for region, areas in _AREAS.items() for area in areas.split()}


def region_of(area: str) -> str:
    """The region of a postcode's area, such as London of SW."""
    return _REGION_OF.get(area, ELSEWHERE)

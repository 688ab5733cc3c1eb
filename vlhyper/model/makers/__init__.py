"""Makers: who makes the forms. One file a maker, joined in the table MAKERS; none needs torch to be counted."""

from vlhyper.model.makers.free import Free
from vlhyper.model.makers.hyper import Hyper
from vlhyper.model.makers.hyperformer import HyperFormer
from vlhyper.model.makers.image import Image
from vlhyper.model.makers.maker import Maker
from vlhyper.model.makers.network import Network

MAKERS: dict[str, type[Maker]] = {
    "free": Free,
    "network": Network,
    "hyper": Hyper,
    "hyperformer": HyperFormer,
    "image": Image,
}

__all__ = ["MAKERS", "Maker"]

"""Search spaces: genotypes, what they mean, and the networks they stand for."""

from mcu_nas_moo.spaces.genes import Gene, SearchSpace, Subnet
from mcu_nas_moo.spaces.mbconv import MBConvSpace
from mcu_nas_moo.spaces.mbconv_spec import MBConvSpec
from mcu_nas_moo.spaces.register import list_spaces, load_space

__all__ = [
    "Gene",
    "MBConvSpace",
    "MBConvSpec",
    "SearchSpace",
    "Subnet",
    "list_spaces",
    "load_space",
]

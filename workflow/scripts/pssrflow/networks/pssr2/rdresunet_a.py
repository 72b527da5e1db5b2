"""PSSR2's RDResUNet with atrous convolutions in its decoder."""

from pssrflow.networks.pssr2 import options
from pssrflow.networks.pssr2.rdresunet import Network as Plain


class Options(options.Dense):
    """Options of RDResUNet, with the defaults of its atrous form."""

    # The first level of the decoder is the coarsest one.
    dilations: options.Dilations = options.dilations(((1,), (1,), (1, 3), (1, 3, 15)))
    pool_sizes: options.PoolSizes = options.pool_sizes(options.ATROUS_POOLS)


class Network(Plain):
    """RDResUNet, whose options alone make it atrous."""

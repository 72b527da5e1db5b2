"""PSSR2's ResUNet with atrous convolutions."""

from pssrflow.networks.pssr2 import options
from pssrflow.networks.pssr2.resunet import Network as Plain


class Options(options.Residual):
    """Options of ResUNet, with the defaults of its atrous form."""

    dilations: options.Dilations = options.dilations(
        ((1, 3, 15, 31), (1, 3, 15), (1, 3), (1,), (1,))
    )
    pool_sizes: options.PoolSizes = options.pool_sizes(options.ATROUS_POOLS)


class Network(Plain):
    """ResUNet, whose options alone make it atrous."""

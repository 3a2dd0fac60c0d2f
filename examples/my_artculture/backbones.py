"""A backbone: a module that maps float pictures N x 3 x H x W to vectors N x features."""

from torch import Tensor, nn

from artculture.data.transforms import Preprocessing


class SmallConvNet(nn.Module):
    """Blocks of convolution, BatchNorm and ReLU, each of which halves the picture.

    Args:
        widths: channels of each block; the last is the length of the vector.
    """

    # What the pictures are prepared to; without this attribute to 224 px, with ImageNet's mean and standard deviation.
    preprocessing = Preprocessing(64, 72, "bilinear", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for before, after in zip([3, *widths], widths, strict=False):
            blocks += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        self.blocks = nn.Sequential(*blocks)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.blocks(pictures).mean(dim=(2, 3))

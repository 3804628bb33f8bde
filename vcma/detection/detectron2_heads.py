"""Faster R-CNN modules that detectron2 lacks, registered with it. Imports torch and detectron2.

- Attribute heads as in bottom-up attention (Anderson et al. 2018): the region's feature concatenated with the
  embedding of its class, one hidden layer, one score per attribute. Layer names are those of the public Visual
  Genome weights (`cls_embedding`, `fc_attr`, `attr_score` next to `cls_score` and `bbox_pred`).
- Other modules for those weights: Caffe's stem, and a res5 with stride 1 and dilation 2.
- The demo's backbone: a ResNet of configurable widths with a feature pyramid.

Import this module through `detectron2_config.import_detectron2`, which handles a missing C++ extension.
"""

from __future__ import annotations

import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, ROI_HEADS_REGISTRY
from detectron2.modeling.backbone import FPN, ResNet
from detectron2.modeling.backbone.resnet import BasicBlock, BasicStem, build_resnet_backbone
from detectron2.modeling.roi_heads import FastRCNNOutputLayers, Res5ROIHeads, StandardROIHeads
from torch import nn
from torch.nn import functional as F


def add_keys(cfg: CfgNode) -> None:
    """Add the keys of the modules below to a detectron2 configuration; attribute keys follow public detectors."""
    cfg.MODEL.ATTRIBUTE_ON = False
    cfg.MODEL.ROI_ATTRIBUTE_HEAD = CfgNode()
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.NUM_CLASSES = 400
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.OBJ_EMBED_DIM = 256  # width of the class embedding
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.FC_DIM = 512  # width of the hidden layer
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.LOSS_WEIGHT = 0.2
    # True: attributes are mutually exclusive: softmax over the attributes and "none", the last score.
    # False: attributes are independent: sigmoid.
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.EXCLUSIVE = True
    cfg.INPUT.MAX_ATTR_PER_INS = 16
    cfg.DATASETS.STILLS_TRAIN = 6000  # number of the demo's rendered training images
    cfg.DATASETS.STILLS_TEST = 400  # number of its evaluation images
    cfg.DATASETS.VIDEO_STEP = 15  # sampling interval in a user's videos, frames
    cfg.MODEL.RESNETS.STAGE_WIDTHS = [32, 64, 128, 256]  # channels of the demo's backbone, res2 to res5
    cfg.MODEL.RESNETS.STAGE_BLOCKS = [2, 2, 2, 2]


class AttributeOutputLayers(FastRCNNOutputLayers):
    """detectron2's box predictor with attribute scores.

    Symbols: R regions, D feature width, C classes, A attributes. In training, `forward` also returns the features,
    because `losses` scores attributes given the ground-truth classes; `gt_attributes` is (R, A) in {0, 1}.
    """

    def __init__(self, cfg: CfgNode, input_shape: ShapeSpec):
        super().__init__(cfg, input_shape)
        head = cfg.MODEL.ROI_ATTRIBUTE_HEAD
        width = self.cls_score.in_features
        self.exclusive, self.attribute_weight = head.EXCLUSIVE, head.LOSS_WEIGHT
        self.cls_embedding = nn.Embedding(self.num_classes + 1, head.OBJ_EMBED_DIM)
        self.fc_attr = nn.Linear(width + head.OBJ_EMBED_DIM, head.FC_DIM)
        self.attr_score = nn.Linear(head.FC_DIM, head.NUM_CLASSES + int(head.EXCLUSIVE))
        for layer in (self.cls_embedding, self.attr_score):
            nn.init.normal_(layer.weight, std=0.01)
        nn.init.constant_(self.attr_score.bias, -3.0)  # prior: most attributes are absent

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        answers = super().forward(x)
        return (*answers, x.flatten(1)) if self.training else answers

    def attribute_logits(self, x: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Return attribute logits of regions with features x (R, D) and the given classes (R,).

        (R, A), or (R, A + 1) with "none" last if attributes are exclusive.
        """
        hidden = F.relu(self.fc_attr(torch.cat([x, self.cls_embedding(classes)], 1)))
        return self.attr_score(hidden)

    def attributes(self, x: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Return the probability of each attribute: (R, A)."""
        logits = self.attribute_logits(x, classes)
        return logits.softmax(1)[:, :-1] if self.exclusive else logits.sigmoid()

    def losses(self, predictions: tuple, proposals: list) -> dict[str, torch.Tensor]:
        """Return detectron2's losses and `loss_attr`, averaged over the foreground regions."""
        scores, deltas, x = predictions
        losses = super().losses((scores, deltas), proposals)
        classes = torch.cat([p.gt_classes for p in proposals])
        thing = classes < self.num_classes
        logits = self.attribute_logits(x[thing], classes[thing])
        losses["loss_attr"] = self.attribute_weight * self._attribute_loss(logits, _truth(proposals, logits)[thing])
        return losses

    def _attribute_loss(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        if len(logits) == 0:
            return logits.sum()
        if not self.exclusive:
            return F.binary_cross_entropy_with_logits(logits, truth, reduction="sum") / len(logits)
        truth = torch.cat([truth[:, :-1], (truth.sum(1, keepdim=True) == 0).to(truth)], 1)
        return F.cross_entropy(logits, truth / truth.sum(1, keepdim=True))


def _truth(proposals: list, like: torch.Tensor) -> torch.Tensor:
    """gt_attributes of all regions, padded to the width of the logits; zeros for an image without objects."""
    rows = []
    for p in proposals:
        truth = like.new_zeros(len(p), like.shape[1])
        if p.has("gt_attributes"):
            truth[:, : p.gt_attributes.shape[1]] = p.gt_attributes.to(like)
        rows.append(truth)
    return torch.cat(rows)


@ROI_HEADS_REGISTRY.register()
class AttributeStandardROIHeads(StandardROIHeads):
    """FPN heads with attributes."""

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        parts = super()._init_box_head(cfg, input_shape)
        if cfg.MODEL.ATTRIBUTE_ON:
            parts["box_predictor"] = AttributeOutputLayers(cfg, parts["box_head"].output_shape)
        return parts


@ROI_HEADS_REGISTRY.register()
class AttributeRes5ROIHeads(Res5ROIHeads):
    """C4 heads with attributes."""

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        parts = super().from_config(cfg, input_shape)
        if cfg.MODEL.ATTRIBUTE_ON:
            shape = ShapeSpec(channels=cfg.MODEL.RESNETS.RES2_OUT_CHANNELS * 8, height=1, width=1)
            parts["box_predictor"] = AttributeOutputLayers(cfg, shape)
        return parts


@ROI_HEADS_REGISTRY.register()
class DilatedRes5ROIHeads(AttributeRes5ROIHeads):
    """C4 heads of bottom-up attention: res5 with stride 1 and dilation 2, which keeps the pooled resolution."""

    @classmethod
    def _build_res5_block(cls, cfg: CfgNode) -> tuple[nn.Sequential, int]:
        res5, channels = super()._build_res5_block(cfg)
        for layer in (res5[0].conv1, res5[0].conv2, res5[0].shortcut):
            layer.stride = (1, 1)
        for block in res5:
            block.conv2.padding = block.conv2.dilation = (2, 2)
        return res5, channels


class CaffeStem(BasicStem):
    """detectron2's stem with Caffe's pooling: no padding, output size rounded up."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(F.relu_(self.conv1(x)), kernel_size=3, stride=2, ceil_mode=True)


@BACKBONE_REGISTRY.register()
def build_caffe_resnet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ResNet:
    """Build detectron2's ResNet with CaffeStem."""
    backbone = build_resnet_backbone(cfg, input_shape)
    backbone.stem = CaffeStem(input_shape.channels, cfg.MODEL.RESNETS.STEM_OUT_CHANNELS, cfg.MODEL.RESNETS.NORM)
    return backbone.freeze(cfg.MODEL.BACKBONE.FREEZE_AT)


@BACKBONE_REGISTRY.register()
def build_narrow_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """Build an FPN on a ResNet of basic blocks; MODEL.RESNETS.STAGE_BLOCKS and STAGE_WIDTHS give its stages."""
    norm, width = cfg.MODEL.RESNETS.NORM, cfg.MODEL.RESNETS.STEM_OUT_CHANNELS
    stem = BasicStem(input_shape.channels, width, norm)
    stages = []
    for stage, (out, blocks) in enumerate(
        zip(cfg.MODEL.RESNETS.STAGE_WIDTHS, cfg.MODEL.RESNETS.STAGE_BLOCKS, strict=True)
    ):
        strides = [1 if stage == 0 else 2] + [1] * (blocks - 1)
        stages.append(
            ResNet.make_stage(
                BasicBlock, blocks, stride_per_block=strides, in_channels=width, out_channels=out, norm=norm
            )
        )
        width = out
    bottom_up = ResNet(stem, stages, out_features=cfg.MODEL.RESNETS.OUT_FEATURES)
    return FPN(bottom_up, cfg.MODEL.FPN.IN_FEATURES, cfg.MODEL.FPN.OUT_CHANNELS, norm=cfg.MODEL.FPN.NORM)

"""The E-step against enumeration, F against its definition and its bound, and training's reproducibility."""

import contextlib
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.conftest import make_tubes
from vcma.batching.encoder import Encoder
from vcma.inference.untrained import label_encoder
from vcma.model import em
from vcma.model.batch import NO_CANDIDATE
from vcma.model.clip import crop
from vcma.model.decoding import best_interval
from vcma.model.evidence import build, forward, untrained_evidence
from vcma.model.networks import OverTime
from vcma.model.sentence_posteriors import posteriors, untrained_posteriors
from vcma.model.settings import Settings, UntrainedSettings
from vcma.model.vocabulary import vocabulary
from vcma.records.sentence import Sentence
from vcma.records.tubes import Tubes
from vcma.text.features import WORDLLAMA
from vcma.text.static_vectors import static_vectors
from vcma.training.resume import Rounds
from vcma.training.trainer import Trainer, fit

SETTINGS = Settings(
    beta=1.0, kappa=6.0, label_prior=1.0, score_prior=0.0,
    relation_prior=0.5, region_text_prior=1.0, region_text_time=0.0, prompts="{}", time="frames", margin=0.5,
    throughout=0.0, width=16,
    bottleneck=2, dropout=0.1, refinements=3, none_weight=1.0,
    contrast_weight=0.3, learning_rate=0.01, weight_decay=0.01, batch_clips=4, warm_up=1, rounds=3, patience=2,
    stop="rounds", text="wordllama", train_frames=64, seed=0,
)  # fmt: skip


UNTRAINED = UntrainedSettings(
    beta=1.0, kappa=8.0, label_prior=2.0, score_prior=1.0, relation_prior=1.0,
    region_text_prior=1.0, region_text_time=0.0, prompts="{}", time="span", margin=0.5, refinements=3,
    throughout=0.5, co_presence=1.0,
)  # fmt: skip


def unscored(model) -> dict[str, float]:
    """What a round's score is where validation has no truth."""
    return {"score_p": float("nan"), "score_q": float("nan")}


def sentence(video: str = "v", relations=((0, "chase", 1), (1, "jump", -1)), heads=("adult", "dog")) -> Sentence:
    attributes = tuple(("red",) if i == 0 else () for i in range(len(heads)))
    return Sentence(f"{video}/0", video, 0, -1, heads, heads, attributes, 0, tuple(relations))


TOLD = [
    sentence("a"),
    sentence("b", ((1, "push", 0),)),
    sentence("c", ((0, "chase", 1), (1, "push", 2)), ("dog", "adult", "ball")),
    sentence("d", (), ("ball",)),
    sentence("e", ((0, "jump", -1),), ("adult",)),
]


def batch_of(told=TOLD, tubes: int = 3, frames: int = 4):
    train = [*TOLD, *TOLD]
    words = vocabulary(train, ["adult", "dog", "ball"], ["red", "blue"], 6, WORDLLAMA)
    encoder = Encoder(words)
    encoder.prepare(told)
    clips = [crop(Tubes.of(make_tubes(i, tubes, frames)), 0, -1, 64) for i, _ in enumerate(told)]
    return words, encoder.batch(clips, [[s] for s in told])


def setting(seed: int = 0, beta: float = 1.0, kappa: float = 6.0, time: str = "frames", **shape):
    words, batch = batch_of(**shape)
    model = build(words, static_vectors, replace(SETTINGS, seed=seed, beta=beta, kappa=kappa, time=time))
    model.theta.runs.copy_(torch.randn(model.theta.runs.shape, generator=torch.Generator().manual_seed(seed)))
    model.theta.eval()
    model.phi.eval()
    tensors = batch.to("cpu")
    with torch.no_grad():
        output = forward(model, tensors)
    return model, tensors, output


def random_posterior(e, batch, seed):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(e.log_prior.shape, generator=generator)
    log_z = (e.log_prior + noise).masked_fill(~batch.candidates, NO_CANDIDATE).log_softmax(-1)
    odds, a = torch.randn(e.frame.shape, generator=generator), torch.randn(len(e.frame), 1, generator=generator)
    return em.Posterior(log_z, e.family.updated(e.time, a, odds), a)


def complete_log_likelihood(e, batch, a, s, z, y):
    """The tempered log-joint of one sentence at one assignment, straight from its definition."""
    rows = (batch.entity_sentence == s).nonzero()[:, 0].tolist()
    of = dict(zip(rows, z, strict=True))
    total = sum(float(e.log_prior[row, n]) for row, n in of.items())
    gamma = float(e.gamma[s])
    for t in range(int(e.frame[s].sum())):
        psi = sum(
            float(e.pair[k, of[int(batch.pair_subject[k])], of[int(batch.pair_object[k])], t])
            for k in (batch.pair_sentence == s).nonzero()[:, 0].tolist()
        ) + sum(
            float(e.action[k, of[int(batch.action_subject[k])], t])
            for k in (batch.action_sentence == s).nonzero()[:, 0].tolist()
        )
        prior = math.log(1 / (1 + math.exp(-float(a[s])))) if y[t] else math.log(1 / (1 + math.exp(float(a[s]))))
        total += gamma * (prior + (e.beta * psi if y[t] else 0.0))
    return total


def assignments(e, batch, s):
    rows = (batch.entity_sentence == s).nonzero()[:, 0].tolist()
    tubes = [torch.nonzero(batch.candidates[row])[:, 0].tolist() for row in rows]
    frames = int(e.frame[s].sum())
    return rows, itertools.product(*tubes), list(itertools.product((0, 1), repeat=frames))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("beta", [0.0, 0.7, 2.0])
def test_every_update_is_the_enumerated_expectation(seed, beta):
    _, batch, output = setting(seed, beta)
    e, q = output.evidence, random_posterior(output.evidence, batch, seed)
    for s in range(len(TOLD)):
        rows, products, moments = assignments(e, batch, s)
        products = list(products)
        y1 = q.y[s].tolist()
        z1 = q.z
        for rank, row in enumerate(rows):
            updated = em.update_z(e, batch, q, em.Messages.of(e, batch, q.y), rank)
            expected = torch.full((e.log_prior.shape[1],), NO_CANDIDATE)
            for n in sorted({z[rank] for z in products}):
                total = 0.0
                for z in (z for z in products if z[rank] == n):
                    weight_z = math.prod(float(z1[other, z[i]]) for i, other in enumerate(rows) if other != row)
                    for y in moments:
                        weight = weight_z * math.prod(p if bit else 1 - p for p, bit in zip(y1, y, strict=False))
                        total += weight * complete_log_likelihood(e, batch, q.a, s, z, y)
                expected[n] = total
            expected = expected.log_softmax(-1).exp()
            assert torch.allclose(updated.log_z[row].exp(), expected, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_time_update_is_the_enumerated_expectation(seed):
    _, batch, output = setting(seed)
    e, q = output.evidence, random_posterior(output.evidence, batch, seed)
    updated = em.update_y(e, batch, q)
    for s in range(len(TOLD)):
        rows, products, _ = assignments(e, batch, s)
        products = list(products)
        frames = int(e.frame[s].sum())
        for t in range(frames):
            both = []
            for bit in (0, 1):
                y = [0] * frames
                y[t] = bit
                both.append(
                    sum(
                        math.prod(float(q.z[row, n]) for row, n in zip(rows, z, strict=True))
                        * complete_log_likelihood(e, batch, q.a, s, z, y)
                        for z in products
                    )
                )
            # F counts each frame gamma of an observation in entropy too, so its log-odds are 1 / gamma of these.
            assert float(updated.time.log_odds[s, t]) == pytest.approx(
                (both[1] - both[0]) / float(e.gamma[s]), abs=1e-3
            )


@pytest.mark.parametrize("seed", range(3))
def test_the_update_of_runs_is_the_enumerated_expectation(seed):
    """log q(b, e) = log p(b, e) + gamma beta sum over the run of E_q(z)[psi], for every run, and nothing else."""
    _, batch, output = setting(seed, 0.8, time="span")
    e, q = output.evidence, random_posterior(output.evidence, batch, seed)
    updated = em.update_y(e, batch, q)
    for s in range(len(TOLD)):
        rows, products, _ = assignments(e, batch, s)
        weight = {z: math.prod(float(q.z[row, n]) for row, n in zip(rows, z, strict=True)) for z in products}
        frames, gamma, a = int(e.frame[s].sum()), float(e.gamma[s]), float(q.a[s])
        score = {}
        for b, end in itertools.combinations(range(frames + 1), 2):
            inside = [int(b <= t < end) for t in range(frames)]
            told = sum(w * complete_log_likelihood(e, batch, q.a, s, z, inside) for z, w in weight.items())
            silent = replace(e, beta=0.0)
            blank = sum(w * complete_log_likelihood(silent, batch, q.a, s, z, inside) for z, w in weight.items())
            score[b, end] = float(e.time.log_prior[s, b, end]) + gamma * a * (end - b) + told - blank
        total = torch.tensor(list(score.values())).logsumexp(0)
        found = updated.time.log_q[s]
        for run, value in score.items():
            assert float(found[run]) == pytest.approx(value - float(total), abs=1e-3)
        assert float(found.exp().sum()) == pytest.approx(1, abs=1e-4)
        y = [sum(float(found[r].exp()) for r in score if r[0] <= t < r[1]) for t in range(frames)]
        assert updated.y[s, :frames].tolist() == pytest.approx(y, abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_given_tubes_the_span_is_the_enumerated_posterior_of_these_tubes(seed):
    """q(b, e) is proportional to p(b, e) exp(gamma sum over the span of beta psi + a), with a of the same tubes."""
    words, batch = batch_of()
    model = build(words, static_vectors, replace(SETTINGS, seed=seed, time="span", throughout=0.5))
    tensors = batch.to("cpu")
    with torch.no_grad():
        e = forward(model, tensors).evidence
    q = random_posterior(e, tensors, seed)
    tube = q.log_z.argmin(1).where(tensors.candidates.all(1), torch.zeros((), dtype=torch.int64))
    found = em.given_tubes(e, tensors, q, tube)
    assert found.z.argmax(1).equal(tube)
    for s in range(len(TOLD)):
        mine = (tensors.entity_sentence == s).nonzero()[:, 0].tolist()
        z, frames, gamma = tube[mine].tolist(), int(e.frame[s].sum()), float(e.gamma[s])
        silent = complete_log_likelihood(e, tensors, torch.zeros(len(TOLD)), s, z, [0] * frames)
        psi = []
        for t in range(frames):
            y = [int(t == moment) for moment in range(frames)]
            shown = complete_log_likelihood(e, tensors, torch.zeros(len(TOLD)), s, z, y)
            psi.append((shown - silent) / gamma)
        relations = bool((tensors.pair_sentence == s).any() or (tensors.action_sentence == s).any())
        a = -(sum(psi) / frames + e.beta * e.margin * relations)
        present = tensors.usable[tensors.sentence_clip[s], z[TOLD[s].target]].nonzero()[:, 0]
        extent = int(present[0]), int(present[-1]) + 1
        table, weight = e.span_prior.table[s].exp(), float(e.span_prior.throughout[s])
        score = {
            (b, end): math.log((1 - weight) * float(table[b, end]) + weight * ((b, end) == extent) + 1e-30)
            + gamma * (sum(psi[b:end]) + a * (end - b))
            for b, end in itertools.combinations(range(frames + 1), 2)
        }
        total = float(torch.tensor(list(score.values())).logsumexp(0))
        for span, value in score.items():
            assert math.exp(float(found.time.log_q[s][span])) == pytest.approx(math.exp(value - total), abs=1e-3)


@pytest.mark.parametrize("time", ["frames", "span", "whole"])
def test_both_is_the_weighted_geometric_mean_of_p_and_q(time):
    model, batch, _ = setting(1, time=time)
    weight = model.vocabulary.clips / (model.vocabulary.clips + 100) / 2
    assert 0 < weight < 0.5
    for p, q, both in posteriors(model, batch, "cpu"):
        product = np.exp((1 - weight) * p.log_z + weight * q.log_z)
        np.testing.assert_allclose(np.exp(both.log_z), product / product.sum(1, keepdims=True), atol=1e-5)
        if (both.tube == p.tube).all() and time != "frames":  # p's span is given its tubes
            product = np.exp((1 - weight) * p.log_intervals + weight * q.log_intervals)
            np.testing.assert_allclose(np.exp(both.log_intervals), product / product.sum(), atol=1e-5)


def test_without_coordinate_updates_every_posterior_is_q():
    model, batch, _ = setting(1, time="span")
    (_, q, _), *_ = posteriors(model, batch, "cpu")
    for found in next(posteriors(replace(model, settings=replace(model.settings, refinements=0)), batch, "cpu")):
        np.testing.assert_array_equal(found.log_z, q.log_z)
        np.testing.assert_array_equal(found.log_intervals, q.log_intervals)


@pytest.mark.parametrize(("trained", "reached"), [(30, range(9, 22)), (12, range(3, 28, 2)), (60, range(9, 22))])
def test_q_reads_a_window_of_thirteen_frames_as_far_apart_as_in_training(trained, reached):
    torch.manual_seed(0)
    over_time = OverTime(8, trained).eval()
    torch.nn.init.normal_(over_time.out.weight)
    f, text, frame = torch.randn(1, 30, 8), torch.randn(1, 8), torch.ones(1, 30, dtype=torch.bool)
    moved = f.clone()
    moved[0, 15] += 1
    changed = (over_time(moved, text, frame) != over_time(f, text, frame))[0].nonzero()[:, 0].tolist()
    assert changed == sorted(set(reached))


def test_padding_does_not_change_what_q_reads():
    torch.manual_seed(0)
    over_time = OverTime(8, 12).eval()
    torch.nn.init.normal_(over_time.out.weight)
    f, text = torch.randn(1, 25, 8), torch.randn(1, 8)
    own = over_time(f, text, torch.ones(1, 25, dtype=torch.bool))
    padded = torch.cat([f, torch.randn(1, 40, 8)], 1)
    frame = torch.arange(65)[None] < 25
    torch.testing.assert_close(over_time(padded, text, frame)[:, :25], own)


@pytest.mark.parametrize("time", ["frames", "span", "whole"])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("beta", "kappa"), [(0.25, 2.0), (1.0, 6.0), (4.0, 20.0)])
def test_no_update_lowers_f(seed, beta, kappa, time):
    _, batch, output = setting(seed, beta, kappa, time, tubes=5, frames=7)
    e, q = output.evidence, random_posterior(output.evidence, batch, seed)
    before = em.objective(e, batch, q)
    for _ in range(3):
        for rank in range(3):
            q = em.update_z(e, batch, q, em.Messages.of(e, batch, q.y), rank)
            after = em.objective(e, batch, q)
            assert (after >= before - 1e-4).all()
            before = after
        q = em.update_y(e, batch, q)
        after = em.objective(e, batch, q)
        assert (after >= before - 1e-4).all()
        before = after


def test_f_is_a_bound_of_the_enumerated_log_normaliser():
    _, batch, output = setting(1, kappa=4.0)
    time = replace(output.evidence.time, gamma=torch.ones_like(output.evidence.gamma))
    e = replace(output.evidence, time=time)
    for seed in range(5):
        q = em.e_step(e, batch, random_posterior(e, batch, seed), 5)
        bound = em.objective(e, batch, q)
        for s in range(len(TOLD)):
            _, products, moments = assignments(e, batch, s)
            values = [complete_log_likelihood(e, batch, q.a, s, z, y) for z in products for y in moments]
            assert float(bound[s]) <= float(torch.logsumexp(torch.tensor(values), 0)) + 1e-3


def test_the_order_of_the_tubes_does_not_matter():
    words, _ = batch_of()
    model = build(words, static_vectors, SETTINGS)
    encoder = Encoder(words)
    encoder.prepare(TOLD[:1])
    clip = crop(Tubes.of(make_tubes(3, 5, 9)), 0, -1, 64)
    order = np.array([3, 0, 4, 1, 2])
    moved = replace(
        clip,
        **{name: getattr(clip, name)[order] for name in ("tube", "box", "present", "feature", "class_prob")},
        attribute_prob=clip.attribute_prob[order],
    )
    (before,) = posteriors(model, encoder.batch([clip], [TOLD[:1]]), "cpu")
    (after,) = posteriors(model, encoder.batch([moved], [TOLD[:1]]), "cpu")
    for one, other in zip(before, after, strict=True):
        assert np.allclose(one.log_z[:, order], other.log_z, atol=1e-4)
        assert np.allclose(one.y, other.y, atol=1e-4)
        assert np.allclose(np.exp(one.log_intervals), np.exp(other.log_intervals), atol=1e-4)


def test_padding_changes_nothing():
    words, _ = batch_of()
    model = build(words, static_vectors, SETTINGS)
    encoder = Encoder(words)
    encoder.prepare(TOLD)
    small, large = (crop(Tubes.of(make_tubes(*size)), 0, -1, 64) for size in ((0, 3, 5), (1, 6, 12)))
    (single,) = posteriors(model, encoder.batch([small], [TOLD[:1]]), "cpu")
    first, _ = posteriors(model, encoder.batch([small, large], [TOLD[:1], TOLD[1:2]]), "cpu")
    for alone, padded in zip(single, first, strict=True):
        assert np.allclose(alone.log_z, padded.log_z, atol=1e-4)
        assert np.allclose(alone.y, padded.y, atol=1e-4)
        assert np.allclose(np.exp(alone.log_intervals), np.exp(padded.log_intervals), atol=1e-4)
        assert alone.evidence.shape == padded.evidence.shape == (2, 5)


def test_a_killed_training_ends_as_an_uninterrupted_one():
    words, batch = batch_of()

    def run(history, state, stop_after):
        model = build(words, static_vectors, SETTINGS)
        trainer = Trainer(model)
        if state:
            trainer.load(state)
        kept = []

        def keep(rows):
            kept.append(({k: v.clone() for k, v in trainer.state().items()}, list(rows)))
            if len(rows) == stop_after:
                raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            fit(trainer, lambda number: [batch], unscored, keep, history, "cpu")
        return kept[-1]

    whole = run([], None, None)
    state, history = run([], None, 2)
    resumed = run(history, state, None)
    assert len(resumed[1]) == len(whole[1]) == SETTINGS.warm_up + SETTINGS.rounds
    assert all(torch.equal(whole[0][k], resumed[0][k]) for k in whole[0])


def test_a_checkpoint_of_another_training_is_not_gone_on_from(tmp_path):
    words, _ = batch_of()

    def rounds(key, settings=SETTINGS):
        return Rounds(tmp_path / "rounds", key, Trainer(build(words, static_vectors, settings)))

    history = [{"round": 0, "best": True}]
    rounds("one").keep(history)
    assert rounds("one").resume() == history
    assert rounds("other").resume() == []  # another configuration, code or corpus
    assert rounds("one", replace(SETTINGS, width=32)).resume() == []


def test_training_learns_whom_a_verb_speaks_of():
    """Two tubes alike but for motion; only the verb tells them apart, and only across sentences."""
    groups, clips, movers = [], [], []
    random = np.random.default_rng(0)
    for i in range(24):
        tubes = make_tubes(i, 2, 16, gaps=False)
        mover = int(random.integers(2))
        for n in range(2):
            rows = slice(n * 16, n * 16 + 16)
            x = 60 + 100 * n + (np.arange(16) * 6 if n == mover else 0)
            half = 20
            y = 100 + random.normal(0, 1, 16)
            tubes["box"][rows] = np.stack([x - half + 0 * y, y - half, x + half + 0 * y, y + half], 1)
        tubes["class_prob"][:] = [1, 0, 0]
        tubes["attribute_prob"][:] = [[1, 0], [0, 1]] if i % 2 else [[0, 1], [1, 0]]
        tubes["feature"][:] = 0
        known = i < 20
        colour = ("red" if tubes["attribute_prob"][mover][0] > 0 else "blue",) if known else ()
        clips.append(crop(Tubes.of(tubes), 0, -1, 64))
        groups.append([Sentence(f"{i}", f"{i}", 0, -1, ("adult",), ("adult",), (colour,), 0, ((0, "run", -1),))])
        movers.append(mover)
    words = vocabulary([s for g in groups for s in g], ["adult", "dog", "ball"], ["red", "blue"], 6, WORDLLAMA)
    encoder = Encoder(words)
    encoder.prepare([s for g in groups for s in g])
    kappa = 6 / 24 * (24 + 10)  # frames count as 6 would in a large corpus
    model = build(words, static_vectors, replace(SETTINGS, kappa=kappa, rounds=25, patience=99))
    batches = [encoder.batch(clips[i : i + 5], groups[i : i + 5]) for i in range(0, 20, 5)]
    fit(Trainer(model), lambda number: batches, unscored, lambda rows: None, [], "cpu")
    # The last four sentences name no colour: only what was learnt of "run" can tell the tubes apart.
    found = list(posteriors(model, encoder.batch(clips[20:], groups[20:]), "cpu"))
    assert [int(f.p.log_z[0].argmax()) for f in found] == movers[20:]


def trained(told, tubes, texts=WORDLLAMA):
    """A warm-up and two rounds over sentences and the TUBES columns of their clips: the terms, (p, q) of each."""
    words = vocabulary([*told, *told], ["adult", "dog", "ball"], ["red", "blue"], 6, texts)
    encoder = Encoder(words, texts)
    encoder.prepare(told)
    batch = encoder.batch([crop(Tubes.of(t), 0, -1, 64) for t in tubes], [[s] for s in told])
    model = build(words, texts.embed, SETTINGS)
    trainer = Trainer(model)
    terms = [trainer.epoch([batch], number, "cpu") for number in range(3)]
    return terms, list(posteriors(trainer.ema, batch, "cpu"))


def with_nans(tubes):
    for name in ("feature", "class_prob", "attribute_prob", "box"):
        tubes[name][::3] = np.nan
    return tubes


ODD = {
    "one clip, no negatives": (TOLD[:1], [make_tubes(0)]),
    "no relation": ([sentence(str(i), (), ("ball",)) for i in range(3)], [make_tubes(i) for i in range(3)]),
    "no action": ([sentence("a", ((0, "chase", 1),))] * 2, [make_tubes(0), make_tubes(1)]),
    "one tube": (TOLD[:2], [make_tubes(0, 1), make_tubes(1, 1)]),
    "one tube beside many": (TOLD[:2], [make_tubes(0, 1), make_tubes(1, 5)]),
    "one frame": (TOLD[:2], [make_tubes(0, 3, 1), make_tubes(1, 3, 1)]),
    "nothing is finite": (TOLD[:2], [with_nans(make_tubes(0)), with_nans(make_tubes(1))]),
}


@pytest.mark.parametrize("what", ODD)
def test_odd_corpora_train_and_ground(what):
    told, tubes = ODD[what]
    terms, found = trained(told, tubes)
    assert all(math.isfinite(value) for term in terms for value in term.values())
    for both in found:
        for g in both:
            assert np.allclose(np.exp(g.log_z).sum(1), 1, atol=1e-4)
            assert np.allclose(np.exp(g.log_intervals).sum(), 1, atol=1e-4)
            assert ((g.y >= 0) & (g.y <= 1)).all() and np.isfinite(g.evidence).all()
    if len(told) == 1:
        assert all(term["contrast"] == 0 for term in terms)
    if what == "one tube":
        assert all(np.allclose(f.p.log_z, 0, atol=1e-4) for f in found)


def test_of_two_starts_the_one_with_the_higher_objective_at_one_offset_is_kept():
    model, batch, output = setting(time="span")
    e = output.evidence.given_labels(batch)
    q = em.amortised(model, batch, output)
    found = [em.refined(e, batch, log_z, SETTINGS.refinements) for log_z in (q.log_z, e.log_prior)]
    chosen, _ = em.infer(model, batch, output)
    for a in (found[0].a, found[1].a, (found[0].a + found[1].a) / 2):
        reached = [em.objective(e, batch, em.update_y(e, batch, replace(p, a=a))) for p in found]
        kept = em.objective(e, batch, em.update_y(e, batch, replace(chosen, a=a)))
        clear = (reached[0] - reached[1]).abs() > 0.5  # elsewhere the offset may decide
        assert torch.allclose(kept[clear], torch.maximum(*reached)[clear], atol=1e-4)


def test_building_a_model_leaves_the_threads_of_the_process_alone():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        setting()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_small_corpus_trusts_what_it_learns_less():
    model, batch, _ = setting(time="span")
    clips = model.vocabulary.clips
    assert model.theta.trust == clips / (clips + 100) < 0.1
    assert model.theta.independence == clips / (clips + 10) < 0.5
    loud = torch.full_like(model.theta.similarity(batch), 0.0)
    loud[:, :, 0] = 1.0
    quiet = model.theta.log_prior(batch, torch.zeros_like(loud))
    raised = model.theta.log_prior(batch, loud) - quiet
    gap = (raised[:, 0] - raised[:, 1]).mean().detach()
    assert float(gap) == pytest.approx(model.theta.trust * float(model.theta.tau.detach().exp()), rel=1e-3)


def test_the_margin_is_what_frames_must_bring_and_only_where_a_relation_is_told():
    model, batch, output = setting()
    e, z = output.evidence, output.evidence.log_prior.exp()
    mean = (em.expected(e, batch, z) * e.frame).sum(1) / e.frame.sum(1)
    told = torch.tensor([bool(s.relations) for s in TOLD])
    assert not told.all()
    trust = model.theta.trust
    assert torch.allclose(em.offset(e, batch, z)[:, 0], -e.beta * (mean + 0.5 * trust * told))
    blind, batch, _ = setting(beta=0.0, time="span")
    bold = replace(blind, settings=replace(SETTINGS, beta=0.0, time="span", margin=5.0))
    (wide, _), (narrow, _) = (em.infer(model, batch, forward(model, batch)) for model in (blind, bold))
    assert torch.equal(wide.y, narrow.y)  # without relations there is nothing to bring


def test_without_a_model_labels_and_words_of_place_decide():
    """Two dogs and a ball: what is asked for is the dog that the words place, in the frames where they hold."""
    tubes = make_tubes(0, 3, 8, gaps=False)
    T = len(tubes["frame"])
    tubes["class_name"] = np.array(["dog", "ball"], dtype=object)
    tubes["class_prob"] = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]], np.float16)
    high, low, ball = (
        np.tile(np.float32(box), (T, 1)) for box in ([40, 5, 60, 25], [40, 75, 60, 95], [40, 40, 60, 60])
    )
    low[: T // 2] += np.float32([60, 0, 60, 0])  # comes to stand below the ball in the second half
    tubes["box"] = np.concatenate([high, low, ball])
    tubes["width"], tubes["height"] = np.int64(160), np.int64(100)
    encoder = label_encoder(tubes["class_name"], tubes["attribute_name"], tubes["feature"].shape[1])
    settings = UNTRAINED
    for predicate, dog in (("above", 0), ("beneath", 1)):
        told = [sentence(relations=((0, predicate, 1),), heads=("dog", "ball"))]
        encoder.prepare(told)
        (found,) = untrained_posteriors(settings, encoder.batch([crop(Tubes.of(tubes), 0, -1, 64)], [told]), "cpu")
        assert found.log_z[0].argmax() == dog and found.log_z[1].argmax() == 2
    assert found.y[: T // 2].mean() < found.y[T // 2 :].mean() - 0.05
    before = untrained_evidence(settings, encoder.batch([crop(Tubes.of(tubes), 0, -1, 64)], [told]).to("cpu"))
    assert 0.5 < before.time.log_prior[0, 0, T].exp() < 0.6  # all of it, as all tubes are, or any interval
    told = [sentence(relations=(), heads=("ball",))]
    encoder.prepare(told)
    (found,) = untrained_posteriors(settings, encoder.batch([crop(Tubes.of(tubes), 0, -1, 64)], [told]), "cpu")
    assert found.log_z[0].argmax() == 2 and np.exp(found.log_intervals)[0, T] == pytest.approx(1)


def test_without_a_change_in_its_words_a_sentence_shows_as_long_as_its_target_is_there():
    tubes = make_tubes(0, 2, 12, gaps=False)
    T = len(tubes["frame"])
    tubes["class_name"], tubes["class_prob"] = np.array(["dog", "ball"], dtype=object), np.eye(2, dtype=np.float16)
    kept = np.r_[3 : T - 2, T : 2 * T]  # the dog comes later and leaves earlier
    for name in ("position", "box", "score", "interpolated", "feature"):
        tubes[name] = tubes[name][kept]
    tubes["point_offset"] = np.array([0, T - 5, 2 * T - 5])
    clip = crop(Tubes.of(tubes), 0, -1, 64)
    encoder = label_encoder(tubes["class_name"], tubes["attribute_name"], tubes["feature"].shape[1])
    for relations in ((), ((0, "surprise", -1),)):  # no relation, and one whose words say nothing of geometry
        told = [sentence(relations=relations, heads=("dog",))]
        encoder.prepare(told)
        (found,) = untrained_posteriors(UNTRAINED, encoder.batch([clip], [told]), "cpu")
        assert best_interval(found.log_intervals) == (3, T - 2)


def test_boxes_that_the_detector_doubts_say_little_of_relations():
    tubes = make_tubes(0, 3, 8, gaps=False)
    told = [sentence(relations=((0, "above", 1),), heads=("dog", "ball"))]
    gammas = []
    for score in (0.9, 0.45):
        tubes["score"] = np.full_like(tubes["score"], score)
        encoder = label_encoder(tubes["class_name"], tubes["attribute_name"], tubes["feature"].shape[1])
        encoder.prepare(told)
        clip = crop(Tubes.of(tubes), 0, -1, 64)
        gammas.append(float(untrained_evidence(UNTRAINED, encoder.batch([clip], [told]).to("cpu")).gamma[0]))
    assert gammas[0] / gammas[1] == pytest.approx(16, rel=1e-3)

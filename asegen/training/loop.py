"""The training loop: Lightning Fabric around a task's loss, with averaged weights and exact resumption.

All randomness of step k follows from (seed, k), and the order of batches from (seed, epoch); so a run that was killed
and resumed from its last checkpoint gives, on the same device, the weights bit for bit that it would have given anyway.
That doesn't hold for a run of limited time, whose learning rate follows the clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from asegen.data.batches import batches_by_atoms
from asegen.data.shards import load_split
from asegen.errors import InputError
from asegen.models.checkpoint import read_tensors, write_tensors
from asegen.training.checkpoints import history, is_same_run, restore_training_state, training_state, write_metrics
from asegen.training.clock import Clock
from asegen.training.rate import LearningRate
from asegen.training.recipe import Recipe
from asegen.training.registry import model_class, task_class
from asegen.training.splits import Split, fitting_split
from asegen.training.start import initialise, known_elements, task_options_of
from asegen.training.task_loss import TaskLoss

CHECKPOINT = "checkpoint.safetensors"
WEIGHTS = "weights.safetensors"
LAST = "last.safetensors"
METRICS = "metrics.csv"

_READ_EVERY = 20
"""Steps. Reading a loss waits for the device; on a CPU there is nothing to wait for."""
_TIMED_VALIDATIONS = 20

Report = Callable[[int, dict[str, float]], None]


def train(
    recipe: Recipe,
    data: str | Path,
    out: str | Path,
    fabric: Fabric,
    resume: bool = False,
    init: str | Path | None = None,
    report: Report = lambda step, metrics: None,
    seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    note: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """Trains a recipe's network.

    Writes into `out`: `weights.safetensors` (averaged weights of the best validation loss), `last.safetensors` (of the
    last validation: samples may go on improving after the loss has stopped to), `metrics.csv`, and a checkpoint.

    Args:
        recipe: what to train.
        data: folder of `asegen ingest` with the splits `train` and `val`.
        out: folder of the run; made if absent.
        fabric: devices, precision and strategy.
        resume: go on from the checkpoint in `out`, if there is one.
        init: weights to start from. If they were trained for the same task (fine-tuning), the task's statistics are
            taken from them too; from another class of networks, the tensors that fit are. Parts that they lack start
            as in a new network.
        report: called with the step and its metrics after every step; on a GPU after every twentieth.
        seconds: of training, validations and earlier parts of a resumed run counted. The run ends with the recipe's
            steps or with these seconds, whichever is sooner, and its learning rate falls accordingly; it is validated
            20 times instead of every so many steps. The weights depend on the speed of the machine.
        stop: asked after every step; once it says so the run is validated, kept and left, as a checkpoint from which it
            can be resumed.
        note: told once for each split of which crystals are left out, for their size or for want of a target.

    Returns:
        The metrics of the last validation.

    Raises:
        InputError: the data lacks a split or a target, or has no crystal that fits; or `out` holds a run and `resume`
            isn't set; or the network can't be made of the recipe's numbers.
    """
    out, init = Path(out), None if init is None else Path(init)
    out.mkdir(parents=True, exist_ok=True)
    if (out / CHECKPOINT).exists() and not resume:
        raise InputError(f"{out} already holds a run: go on with resume, or name another folder", "resume")
    torch.manual_seed(recipe.seed)
    labels = task_class(recipe.task).labels
    names = ("train", "val")
    splits = {name: fitting_split(load_split(data, name), recipe.data, name, labels, note) for name in names}
    run = _Run(recipe, splits, fabric, init, Clock(recipe.optimizer.steps, seconds))
    if resume and (out / CHECKPOINT).exists():
        run.restore(out / CHECKPOINT)
    return run.go(out, report, stop)


def _made(kind: type[Any], options: dict[str, Any], section: str) -> Any:
    """An object of the class that a section of the recipe names; constructors fail in their own ways."""
    try:
        return kind(**options)
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"[{section}] makes no {kind.__name__}: {type(error).__name__}: {reason}") from error


class _Run:
    """State of one training run."""

    def __init__(
        self, recipe: Recipe, splits: dict[str, Split], fabric: Fabric, init: Path | None, clock: Clock
    ) -> None:
        self.recipe, self.fabric, self.clock = recipe, fabric, clock
        self.train_set, self.val_set = splits["train"], splits["val"]  # each batch goes to the device by itself
        header, tensors = read_tensors(init) if init is not None else ({}, {})
        self.task_options = task_options_of(recipe, header, splits["train"])
        self.task = _made(task_class(recipe.task), self.task_options, "task")
        network: nn.Module = _made(model_class(recipe.model), recipe.model_options, "model")
        if init is not None:
            initialise(network, recipe, header, tensors)
        self.elements = known_elements(recipe, header, splits["train"], self.task_options)
        self.network = network.to(fabric.device)
        o = recipe.optimizer
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=o.learning_rate, betas=(0.9, o.beta2), weight_decay=o.weight_decay, fused=True
        )
        loss = TaskLoss(self.network, self.task, recipe.precision == "bf16-mixed", recipe.compile)
        self.loss, self.optimizer = fabric.setup(loss, optimizer)
        self.average = {name: p.detach().clone() for name, p in self.network.state_dict().items()}
        self.skipped = torch.zeros((), device=fabric.device)
        self.step, self.best, self.rate = 0, math.inf, LearningRate(o)
        self.progress, self.stopped = 0.0, False

    # -- the loop --------------------------------------------------------------------------------------------------

    def go(self, out: Path, report: Report, stop: Callable[[], bool]) -> dict[str, float]:
        metrics: dict[str, float] = {}
        self.clock.start()
        self._look_at_the_clock()
        for batch in self._batches():
            losses = self._advance(batch)
            validated = self.progress
            self._look_at_the_clock(stop())
            last = self.stopped or self.progress >= 1
            if last or self.step % self._read_every == 0:
                read = {name: float(value) for name, value in losses.items()}
                report(self.step, read)
            if last or self._validation_is_due(validated):
                started = self.clock.elapsed
                metrics = {f"train_{name}": float(value) for name, value in losses.items()}
                metrics |= {f"val_{name}": value for name, value in self.validate().items()}
                self.rate.validated(metrics)
                self._keep(out, metrics)
                if self.rate.is_exhausted:
                    self.progress = 1.0
                self.clock.reserve = self.clock.elapsed - started
                report(self.step, metrics)
        return metrics

    @property
    def _read_every(self) -> int:
        return 1 if self.fabric.device.type == "cpu" else _READ_EVERY

    def _validation_is_due(self, before: float) -> bool:
        if self.clock.seconds is None:
            return self.step % self.recipe.validate_every == 0
        return int(self.progress * _TIMED_VALIDATIONS) > int(before * _TIMED_VALIDATIONS)

    def _look_at_the_clock(self, stop: bool = False) -> None:
        """How far the run is, for all processes of a parallel run alike."""
        self.progress, self.stopped = self.clock.progress(self.step), stop
        if self.fabric.world_size > 1:
            self.progress, self.stopped = self.fabric.broadcast((self.progress, self.stopped))

    def _batches(self) -> Iterator[Split]:
        """The batches from the current step on; each process of a parallel run takes every world_size-th."""
        rank, world = self.fabric.global_rank, self.fabric.world_size
        n_atoms = self.train_set.crystals.n_atoms
        first = 0  # step at which the epoch starts
        epoch = 0
        while self.progress < 1 and not self.stopped:
            generator = torch.Generator().manual_seed(self._seed(epoch, 1))
            indices = batches_by_atoms(n_atoms, self.recipe.data.atom_budget, generator)
            per_process = max(len(indices) // world, 1)
            for k in range(self.step - first, per_process):
                if self.progress >= 1 or self.stopped:
                    return
                yield self.train_set.take(indices[(k * world + rank) % len(indices)]).to(self.fabric.device)
            first += per_process
            epoch += 1

    def _losses(self, batch: Split, generator: torch.Generator) -> dict[str, Tensor]:
        c = batch.crystals
        return self.loss(c.cell, c.scaled_positions, c.numbers, c.n_atoms, generator, *batch.labels)

    def _seed(self, counter: int, stream: int) -> int:
        return ((self.recipe.seed * 4 + stream) << 40) + counter

    def _advance(self, batch: Split) -> dict[str, Tensor]:
        o = self.recipe.optimizer
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate.at(self.step, self.progress)
        generator = torch.Generator(self.fabric.device)
        generator.manual_seed(self._seed(self.step * self.fabric.world_size + self.fabric.global_rank, 2))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed(self.step * self.fabric.world_size + self.fabric.global_rank, 3))  # dropout's
            losses = self._losses(batch, generator)
        self.optimizer.zero_grad()
        self.fabric.backward(losses["loss"])
        norm = self.fabric.clip_gradients(self.loss, self.optimizer, max_norm=o.clip, error_if_nonfinite=False)
        # One bad batch must not destroy hours of work: a step without a finite gradient is left out, and counted. The
        # optimiser is told by the flag of gradient scalers, so that nothing waits for the device.
        bad = (~torch.isfinite(norm)).float() if norm is not None else torch.zeros_like(self.skipped)
        self.optimizer.optimizer.found_inf = bad
        self.optimizer.step()
        self.skipped += bad
        self._update_average()
        self.step += 1
        return {name: value.detach() for name, value in losses.items()} | {"skipped": self.skipped}

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early on the average would be dominated by the random start: it begins as a plain mean.
        decay = min(self.recipe.optimizer.ema, (1 + self.step) / (10 + self.step))
        names = [name for name, value in self.average.items() if value.dtype.is_floating_point]
        current = self.network.state_dict()
        get_ema_multi_avg_fn(decay)([self.average[name] for name in names], [current[name] for name in names], None)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean losses of the averaged weights on the validation split, always with the same noise."""
        current = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average)
        self.network.eval()
        generator = torch.Generator(self.fabric.device).manual_seed(0)
        sums: dict[str, float] = {}
        indices = batches_by_atoms(self.val_set.crystals.n_atoms, self.recipe.data.atom_budget, None)
        for index in indices:
            losses = self._losses(self.val_set.take(index).to(self.fabric.device), generator)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(index)
        self.network.load_state_dict(current)
        self.network.train()
        return {name: value / len(self.val_set.crystals) for name, value in sums.items()}

    # -- what is kept ----------------------------------------------------------------------------------------------

    def _keep(self, out: Path, metrics: dict[str, float]) -> None:
        if self.fabric.is_global_zero:
            write_metrics(out / METRICS, self.step, metrics)
            weights = {k: v.half() if v.dtype.is_floating_point else v for k, v in self.average.items()}
            header = self._header(metrics) | {"history": history(out / METRICS)}
            write_tensors(out / LAST, weights, header)
            if metrics["val_loss"] < self.best:
                self.best = metrics["val_loss"]
                write_tensors(out / WEIGHTS, weights, header)
            state = training_state(self.network, self.average, self.optimizer)
            write_tensors(out / CHECKPOINT, state, self._place())
        self.fabric.barrier()

    def _header(self, metrics: dict[str, float]) -> dict[str, Any]:
        return {
            "name": self.recipe.name,
            "model": {"class": self.recipe.model, **self.recipe.model_options},
            "process": {"class": self.recipe.task, **self.task_options},
            "elements": self.elements,
            "max_atoms": int(self.train_set.crystals.n_atoms.max()),
            "recipe": self.recipe.as_written(),
            "steps": self.step,
            "seconds": round(self.clock.elapsed, 1),
            "metrics": metrics,
        }

    def _place(self) -> dict[str, Any]:
        """Where the run is: the header of its checkpoint."""
        return {"step": self.step, "best": self.best, "rate": self.rate.state, **self._header({})}

    def restore(self, path: Path) -> None:
        """Goes back to a checkpoint of the same recipe.

        Raises:
            InputError: the checkpoint is another recipe's.
            CheckpointError: it can't be read.
        """
        header, tensors = read_tensors(path)
        if not is_same_run(self.recipe.as_written(), header["recipe"]):
            raise InputError(f"{path} was made by another recipe; name another folder")
        average = restore_training_state(tensors, self.network, self.optimizer)
        self.average = {name: value.to(self.fabric.device) for name, value in average.items()}
        self.step, self.best = header["step"], header["best"]
        self.clock.before = header.get("seconds", 0.0)  # older checkpoints don't know
        if "rate" in header:
            self.rate.restore(header["rate"])

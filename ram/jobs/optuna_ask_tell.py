"""Optuna chooses the hyperparameters, `ram train` trains: ask and tell.

    pip install optuna
    python optuna_ask_tell.py 20 --preset demo [more options of `ram train`]

Several may run at once on one optuna.journal. The test images stay closed: Optuna is told validation errors.
"""

import json
import os
import subprocess
import sys

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

RAM = os.environ.get("RAM", "ram")


def draw(trial):
    """The keys to search, as `ram train --set` takes them."""
    return {
        "optimiser.learning_rate": trial.suggest_float("optimiser.learning_rate", 1e-4, 1e-2, log=True),
        "policy.std": trial.suggest_float("policy.std", 0.05, 0.5),
        "policy.mean": trial.suggest_categorical("policy.mean", ["linear", "clamp", "tanh"]),
    }


def train(number, values, options):
    """Trains, and returns the exit code and the lowest validation error."""
    sets = [f"--set={key}={value}" for key, value in values.items()]
    command = [RAM, "train", *options, *sets, "--name", f"optuna-{number:04}", "--force", "--json"]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    finished = [event["best_error"] for event in events if event["event"] == "finished"]
    return run.returncode, finished[0] if finished else None


def main():
    trials, options = int(sys.argv[1]), sys.argv[2:]
    storage = JournalStorage(JournalFileBackend("optuna.journal"))
    study = optuna.create_study(storage=storage, study_name="ram", load_if_exists=True, direction="minimize")
    for _ in range(trials):
        trial = study.ask()
        code, error = train(trial.number, draw(trial), options)
        if code == 0:
            study.tell(trial, error)
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            # 1 is a training that diverged: the next may not. Anything else would end so again, or somebody wants to stop.
            if code != 1:
                sys.exit(code)
    print(json.dumps({"trial": study.best_trial.number, "error": study.best_value, "values": study.best_params}))


if __name__ == "__main__":
    main()

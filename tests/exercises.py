"""How the tests examine a check of an exercise: it accepts the right answer, and says why another is wrong."""

import inspect
import time


def assert_accepts(check, answer, capsys, seeds=range(20)):
    """The check says "Right.", once, under each seed, within two seconds each."""
    for seed in seeds:
        began = time.process_time()
        assert check(answer, seed=seed) is True, capsys.readouterr().out
        assert capsys.readouterr().out == "Right.\n"
        assert time.process_time() - began < 2, f"seed {seed} took too long"


def assert_explains(check, wrong, words, capsys, seeds=range(3)):
    """The check refuses a wrong answer under each seed with one verdict that holds `words`."""
    for seed in seeds:
        assert check(wrong, seed=seed) is False, f"accepted under seed {seed}: {words}"
        said = capsys.readouterr().out
        assert words in said, said
        assert "Right.\n" not in said and said.count("\n") == 1, f"more than one verdict: {said}"


def undone(*arguments):
    """The answer that a stub is."""
    raise NotImplementedError


def assert_tells_apart(check, right, wrong, capsys):
    """The check accepts the right answer, knows a stub, and explains each of at least four `wrong` (answer, words)."""
    assert_accepts(check, right, capsys)
    assert not check(undone) and "Not done yet" in capsys.readouterr().out
    assert len(wrong) >= 4
    for mistake, words in wrong:
        assert_explains(check, mistake, words, capsys)


def ignoring(answer, place, instead):
    """The answer as it would be if it did not look at its argument number `place` but took `instead`."""

    def function(*arguments):
        return answer(*arguments[:place], instead, *arguments[place + 1 :])

    function.__signature__ = inspect.signature(answer)
    function.__name__ = answer.__name__
    return function

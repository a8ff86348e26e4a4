"""Checks of the exercises: each takes the reader's function and says whether it is right, and if not, why."""


def attempt(function, *args, **kwargs):
    """Call the reader's function; return (result, None), or (None, a message) if it is undone or raises."""
    try:
        return function(*args, **kwargs), None
    except NotImplementedError:
        return None, f"Not done yet: {function.__name__} raises NotImplementedError."
    except Exception as error:  # the reader's code may fail in any way
        return None, f"{function.__name__} raised {type(error).__name__}: {error}"


# Chapter 0


# Chapter 1


# Chapter 2


# Chapter 3


# Chapter 4


# Chapter 5


# Chapter 6

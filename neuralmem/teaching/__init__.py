"""What only the book needs: explorers, figures, result tables, and the checks of the exercises."""

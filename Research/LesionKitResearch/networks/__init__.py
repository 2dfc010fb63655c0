"""Networks that only training needs: those that bundled ones are trained against."""

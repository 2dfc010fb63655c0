"""Images as arrays with a place in the patient, and what is computed on them: resampling, components, measures."""

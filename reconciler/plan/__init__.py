"""accepted x desired x observed x pins -> plan. Values in, values out."""

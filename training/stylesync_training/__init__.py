"""Training StyleSync: data, losses, loops, measures.

    commands/        what the terminal types
    adapt.py         the renderer, fine-tuned on one shot's own speaker
    measures/        how good the models are
    packaging.py     from trained runs to a folder of models that dubs
    steps.py         the steps of a training in their order
    fitting/         one network at a time
    data/            from folders of clips to training clips in a work folder
    tables.py        records as Markdown tables

Each may use only what stands below it; it knows the engine, never the plugin or the panel.
"""

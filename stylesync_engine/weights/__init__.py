"""Folders of models: their table, their networks, loading, saving, fetching. `starter` ships.

    models = load_models("starter", "cpu"); models.renderer.sizes

Never pickle: safetensors alone, hashes checked. Knows no clip and no request.
"""

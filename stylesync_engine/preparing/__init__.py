"""Who speaks where, in what style and with which lips: a request -> a plan.

    plan, bank = prepare_plan(request, load_models("starter"), print)

Knows neither rendering nor assembling: they meet in the plan.
"""
